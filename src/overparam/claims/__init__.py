"""The field's claims: what each predicts, written down before the runs, and the verdict of the runs."""
