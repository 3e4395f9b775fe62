"""Running a past result again: what it needs, how it runs in isolation, and what its verdict rests on."""
