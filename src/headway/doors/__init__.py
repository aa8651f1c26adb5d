"""Doors: one file per agent framework, through which its tools join the session.

Import the one you need, such as ``headway.doors.langchain``; each imports its framework.
"""
