"""A synthetic job of any size: which customers of a shop will leave?  Twenty columns, two million events a day."""
