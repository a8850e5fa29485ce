"""The pages: terminal, JSON, JUnit XML, Markdown, one HTML file.

Reads Results and a Verdict, decides nothing.
"""
