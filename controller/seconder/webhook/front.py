"""The name under which ``reviewing`` still imports ``BadReview``; it is ``seconder.http.handler``'s."""

from seconder.http.handler import BadReview as BadReview
