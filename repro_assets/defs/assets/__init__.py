"""The assets, in the order of the flow: raw tables, snapshot, features, model, predictions."""
