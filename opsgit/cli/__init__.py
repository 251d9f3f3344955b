"""The roof: words in, words out, and the one error boundary."""
