"""Pure: the experiment's computations; frames and estimators in and out."""
