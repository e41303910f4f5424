"""What calls are called with: parameters, futures among them, and hashes of both."""
