"""The evidence of what each environment runs."""
