"""What is seen of every served night, of its labels once they close, and the alarms that follow from it."""
