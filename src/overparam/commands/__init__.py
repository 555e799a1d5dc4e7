"""What a person starts: each module is an installed command, `overparam-<module>`, and a script of `scripts/`."""
