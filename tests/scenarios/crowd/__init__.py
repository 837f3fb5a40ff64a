"""Many people at once at the same few documents: who they are, what they do, what must hold."""
