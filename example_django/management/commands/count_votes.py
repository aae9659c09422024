"""`manage.py count_votes`, which cron calls: see `lesson_6_background.py`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from example_django.lesson_6_background import count_votes


class Command(BaseCommand):
    """Counts, and says the result."""

    help = "Write down how the poll stands now, for the programme."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run the task here and now."""
        count = count_votes()
        self.stdout.write(
            f"{count['leader']} leads with {count['votes']} of {count['total']} votes."
        )
