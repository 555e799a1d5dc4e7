"""The field's claims: what each predicts, fixed before the runs, and the verdict of the runs."""
