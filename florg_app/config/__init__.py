"""Every setting: its type, its range, what goes together, and the way from TOML to frozen objects."""
