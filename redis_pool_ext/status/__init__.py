"""What this process, and those beside it, know of their pools: for pages, commands and metrics."""

from .desk import open_desk
from .fleet import ask_processes
from .report import process_report

__all__ = ["ask_processes", "open_desk", "process_report"]
