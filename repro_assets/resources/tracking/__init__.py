"""MLflow: runs, records, models and the registry."""
