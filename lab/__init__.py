"""Throwaway hosts and the parts they are made of. Uses hostproof, is never used by it."""
