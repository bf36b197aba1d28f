"""What tests compare with: nothing here shares a formula with the code under test."""
