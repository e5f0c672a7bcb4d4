"""What makes notebooks, checks pages and reads the API: used by course.py's commands and the tests, never by a page."""

from course import plain_output

plain_output()
