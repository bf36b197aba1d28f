"""The command ``continua``, and what it prints, plots and reports. No mathematics."""
