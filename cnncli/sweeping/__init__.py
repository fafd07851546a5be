"""The same training with other settings, many times: what is tried, run as processes, compared at the end."""

METRICS = ("validation_accuracy", "validation_loss", "train_accuracy", "train_loss")  # that trials can be compared by
