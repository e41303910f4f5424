"""What a flow run knows of the runs inside of it: what they made, where values came from, tags."""
