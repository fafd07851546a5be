"""The same training with other settings, many times: what is tried, run as processes, compared at the end."""
