"""Which test runs which block of Python of the pages: by page and heading, in order.

A page of which one test takes every block, or refuses one more, has a line in `WHOLE` instead.
Paths are below `tests/`. tests/site/test_blocks.py holds this against the pages.
"""

from __future__ import annotations

# The tests that run many of them.
OF_A_POOL = "site/test_settings.py::test_example_of_a_pools_setting_sets_it_to_something_else"
OF_A_PROJECT = "site/test_settings.py::test_example_of_a_projects_setting_is_taken"

NEWCOMER = "newcomer/test_ten_minutes.py::test_whoever_follows_the_page_sees_what_it_shows"
LESSON = "examples/test_readmes.py::test_lines_of_python_stand_in_the_lesson"

WHOLE = {
    "docs/comparison.md": "pages/test_comparison_page.py::test_no_block_is_left_out",
    "docs/deployment.md": "pages/test_deployment_page.py::test_no_block_is_left_out",
    "docs/testing.md": "testing/test_page.py::test_tests_of_the_page_pass",
    "docs/ten-minutes-django.md": NEWCOMER,
    "docs/ten-minutes-flask.md": NEWCOMER,
    "docs/typing.md": (
        "typing/test_typing_files.py::test_every_block_of_the_page_is_in_a_checked_file"
    ),
    "example_django/README.md": LESSON,
    "example_flask/README.md": LESSON,
    "docs/why.md": "pages/test_why_page.py::test_block_prints_what_its_comments_say",
}

SHOWN: dict[str, dict[str, list[str]]] = {
    "README.md": {
        "Django": ["pages/test_readme.py::test_django_project_answers"] * 3,
        "Flask": ["pages/test_readme.py::test_flask_app_answers"],
        "Anywhere else": [
            "pages/test_readme.py::test_plain_program_runs",
            "pages/test_readme.py::test_pool_as_redis_py_pool_runs",
        ],
        "The whole stack on one pool": [
            "pages/test_readme.py::test_cache_and_session_are_on_the_lease"
        ],
    },
    "docs/answering-503.md": {
        "A page of your own": [
            "pages/test_answering_page.py::test_handler_of_django_answers",
            "pages/test_answering_page.py::test_handler_of_flask_answers",
            "pages/test_answering_page.py::test_task_has_the_number",
        ],
    },
    "docs/asyncio.md": {
        "Asyncio": ["pages/test_docs.py::test_program_prints_what_its_comments_say"],
        "One loop, one pool": ["pages/test_docs.py::test_program_prints_what_its_comments_say"],
        "Scopes and tasks": ["pages/test_docs.py::test_program_prints_what_its_comments_say"],
        "Pipelines, transactions, pubsub": [
            "pages/test_docs.py::test_program_prints_what_its_comments_say"
        ],
        "Before a long wait": ["pages/test_docs.py::test_program_prints_what_its_comments_say"],
        "Cancellation": ["pages/test_docs.py::test_program_prints_what_its_comments_say"],
        "Django": ["pages/test_docs.py::test_views_answer"] * 2,
        "Streaming": ["pages/test_docs.py::test_views_answer"],
        "Long connections": ["pages/test_docs.py::test_views_answer"] * 2,
        "Flask": ["pages/test_docs.py::test_application_answers"],
        "One lease per request, in any ASGI application": [
            "pages/test_docs.py::test_application_answers"
        ],
        "FastAPI": ["pages/test_docs.py::test_application_answers"],
        "Quart": ["pages/test_docs.py::test_application_answers"],
        "Websockets": ["pages/test_docs.py::test_application_answers"],
        "uvloop": ["pages/test_docs.py::test_program_prints_what_its_comments_say"],
        "Tests": ["pages/test_docs.py::test_tests_pass"],
    },
    "docs/budget.md": {
        "A budget for Redis": ["budget/test_page.py::test_program_prints_what_its_comments_say"],
        "Where to set it": ["budget/test_page.py::test_program_prints_what_its_comments_say"],
        "What a view sees": ["budget/test_page.py::test_program_prints_what_its_comments_say"],
    },
    "docs/cache.md": {
        "Django's cache and sessions": ["django_wing/test_cache_docs.py::test_pages_view_answers"],
        "`COMPRESS_MIN_LENGTH`: int": [
            "django_wing/test_cache_docs.py::test_pages_settings_work_in_the_project"
        ],
        "What it does that Django's own does not": [
            "django_wing/test_cache_docs.py::test_pages_view_answers"
        ],
    },
    "docs/checks.md": {
        "W008": ["django_wing/test_checks_page.py::test_settings_of_the_page_are_good"],
    },
    "docs/cluster.md": {
        "Redis Cluster": ["cluster/test_page.py::test_program_prints_what_its_comments_say"],
        "The limit is each node's": [
            "cluster/test_page.py::test_program_prints_what_its_comments_say"
        ],
    },
    "docs/commands.md": {
        "How processes are found": ["cli/test_page.py::test_program_runs"],
    },
    "docs/debug-panels.md": {
        "Django": ["django_wing/test_panel.py::test_toolbar_shows_the_commands_of_its_request"],
        "Flask": ["flask_wing/test_panel.py::test_app_of_the_page_shows_its_command"],
        "Without a toolbar": [
            "pages/test_debug_panels_page.py::test_recording_without_a_toolbar_prints_what_the_page_says"
        ],
    },
    "docs/design.md": {
        "A wing": ["site/test_design_page.py::test_wing_of_the_page_leases_for_each_request"],
    },
    "docs/health.md": {
        "Django": ["pages/test_health_page.py::test_views_of_django_are_where_the_probes_look"],
        "Flask": ["pages/test_health_page.py::test_app_of_flask_answers_as_the_page_says"],
        "What is said": ["pages/test_health_page.py::test_app_of_flask_answers_as_the_page_says"],
        "What makes it unready": [
            "pages/test_health_page.py::test_settings_are_those_that_there_are"
        ],
    },
    "docs/life-of-a-connection.md": {
        "The life of a connection": ["pages/test_docs.py::test_code_runs"],
    },
    "docs/metrics.md": {
        "Prometheus": ["metrics/test_page.py::test_program_prints_what_its_comments_say"],
        "Several worker processes": ["metrics/test_page.py::test_workers_are_scraped_together"] * 2,
        "OpenTelemetry": ["metrics/test_page.py::test_program_prints_what_its_comments_say"],
        "Long waits in the log, and in Sentry": [
            "metrics/test_page.py::test_line_of_the_log_is_as_shown"
        ],
        "Server-Timing": [
            "metrics/test_page.py::test_django_sends_the_header",
            "metrics/test_page.py::test_flask_sends_the_header",
        ],
        "Anything else": ["metrics/test_page.py::test_program_prints_what_its_comments_say"],
    },
    "docs/migrating-from-django-redis.md": {
        "Keep it, on our pool": [
            "django_wing/test_cache_docs.py::test_views_of_the_page_answer",
            "django_wing/test_cache_docs.py::test_migrated_project_is_on_the_pool",
        ],
        "Change the backend": [
            "django_wing/test_cache_docs.py::test_migrated_project_is_on_the_pool",
            "django_wing/test_cache_docs.py::test_views_of_the_page_answer",
            "django_wing/test_cache_docs.py::test_views_of_the_page_answer",
        ],
    },
    "docs/migrating-from-djangos-redis-cache.md": {
        "From Django's own Redis cache": [
            "django_wing/test_cache_docs.py::test_project_runs_before_and_after_and_keeps_its_data",
            "django_wing/test_cache_docs.py::test_migrated_project_is_on_the_pool",
        ],
    },
    "docs/migrating-from-flask-redis.md": {
        "A project before": [
            "stack/test_pages.py::test_project_with_flask_redis_runs_after_the_steps_as_before"
        ]
        * 3,
    },
    "docs/overload.md": {
        "The disciplines": [
            "pages/test_overload_page.py::test_pool_that_sheds_counts_what_the_page_says"
        ],
        "Who goes first": [
            "pages/test_overload_page.py::test_what_is_reserved_is_for_who_comes_with_a_higher_priority"
        ],
        "On paper": ["pages/test_overload_page.py::test_simulation_says_what_the_page_says"],
    },
    "docs/security.md": {
        "TLS": [
            "security/test_page.py::test_settings_connect_a_django_project",
            "security/test_page.py::test_flask_application_answers",
            "security/test_page.py::test_settings_connect_a_django_project",
        ],
        "A certificate of your own": [
            "security/test_page.py::test_settings_connect_a_django_project"
        ],
        "Self-signed certificates of hosted servers": [
            "security/test_page.py::test_settings_connect_a_django_project"
        ],
        "ACL users": ["security/test_page.py::test_settings_connect_a_django_project"],
        "Passwords that change": ["security/test_page.py::test_settings_connect_a_django_project"]
        * 2,
        "Unix sockets": ["security/test_page.py::test_settings_connect_a_django_project"],
    },
    "docs/sentinel.md": {
        "Sentinel": ["sentinel/test_page.py::test_program_runs"],
        "`sentinel_kwargs`: dict": ["sentinel/test_page.py::test_settings_are_read"],
    },
    "docs/settings.md": {
        "Settings": ["site/test_settings.py::test_first_example_is_two_pools"],
        "`URL`: str": [OF_A_POOL],
        "`OPTIONS`: dict": [OF_A_POOL],
        "`MAX_CONNECTIONS`: int": [OF_A_POOL],
        "`TIMEOUT`: float, seconds": [OF_A_POOL],
        "`MAX_WAITING`: int or None": [OF_A_POOL],
        "`MAX_CONNECTING`: int": [OF_A_POOL],
        "`HOLD`: str": [OF_A_POOL],
        "`QUEUE_DISCIPLINE`: str": [OF_A_POOL],
        "`QUEUE_TARGET`: float, seconds": [OF_A_POOL],
        "`QUEUE_INTERVAL`: float, seconds": [OF_A_POOL],
        "`RESERVED`: dict or None": [OF_A_POOL],
        "`MIN_IDLE`: int": [OF_A_POOL],
        "`MAX_IDLE`: int or None": [OF_A_POOL],
        "`IDLE_TIMEOUT`: float, seconds, or None": [OF_A_POOL],
        "`MAX_LIFETIME`: float, seconds, or None": [OF_A_POOL],
        "`VALIDATE_AFTER`: float, seconds, or None": [OF_A_POOL],
        "`LEAK_DETECTION_THRESHOLD`: float, seconds, or None": [OF_A_POOL],
        "`HOUSEKEEPING_INTERVAL`: float, seconds, or None": [OF_A_POOL],
        "`REDIS_POOL_BUDGET`: float, seconds, or None": [OF_A_PROJECT],
        "`REDIS_POOL_EAGER`: bool": [OF_A_PROJECT],
        "`REDIS_POOL_HEALTH`: dict": [OF_A_PROJECT],
        "`REDIS_POOL_SERVER_TIMING`: bool": [OF_A_PROJECT],
        "`REDIS_POOL_STATUS_GUARD`: function of a request, or its dotted path": [
            "django_wing/test_settings_page.py::test_guard_is_found_by_its_path"
        ],
        "`REDIS_POOL_THREADS`: int or None": [
            "django_wing/test_settings_page.py::test_threads_are_compared"
        ],
    },
    "docs/several-pools.md": {
        "Several pools": [
            "pages/test_docs.py::test_views_of_django_are_on_the_pool_that_they_name"
        ],
        "A view on another pool": [
            "pages/test_docs.py::test_views_of_django_are_on_the_pool_that_they_name",
            "pages/test_docs.py::test_view_of_flask_is_on_the_pool_that_it_names",
        ],
        "Give it back early": ["pages/test_docs.py::test_lease_lets_go_as_the_comments_say"],
        "Or after each command": ["pages/test_docs.py::test_lease_lets_go_as_the_comments_say"],
    },
    "docs/sizing.md": {
        "How large should the pool be?": [
            "site/test_sizing_page.py::test_numbers_holders_and_advice_are_printed"
        ],
    },
    "docs/stack-flask.md": {
        "One pool for a Flask application": [
            "stack/test_pages.py::test_application_of_the_page_answers"
        ],
        "Workers": [
            "stack/test_pages.py::test_worker_of_the_page_does_what_a_request_enqueued",
            "stack/test_pages.py::test_task_of_the_page_is_on_one_connection",
        ],
        "Several apps": ["stack/test_pages.py::test_limiter_is_set_up_in_the_context_of_its_app"],
    },
    "docs/status-page.md": {
        "Django": ["status/test_status_docs.py::test_guard_of_django_lets_in_who_has_the_key"] * 3,
        "Where sessions are in Redis": [
            "status/test_status_docs.py::test_sessions_are_on_a_pool_of_their_own"
        ],
        "Flask": ["status/test_status_docs.py::test_guard_of_flask_lets_in_who_has_the_key"],
    },
    "docs/task-queues.md": {
        "RQ": ["stack/test_rq.py::test_page_s_worker_does_the_work"] * 2,
        "Celery": ["stack/test_celery.py::test_page_s_task_runs"],
        "Channels": ["stack/test_queues.py::test_channel_layer_is_on_the_pool_of_its_loop"] * 2,
        "Huey": [
            "stack/test_queues.py::test_queue_is_filled_on_the_lease_and_emptied_within_the_bound"
        ],
        "Dramatiq": [
            "stack/test_queues.py::test_queue_is_filled_on_the_lease_and_emptied_within_the_bound"
        ],
    },
    "docs/view-policy.md": {
        "Django": ["pages/test_view_policy_page.py::test_views_of_django_are_answered_by_redis"]
        * 2,
        "Flask": ["pages/test_view_policy_page.py::test_views_of_flask_do_what_they_say"],
        "For all views": ["pages/test_view_policy_page.py::test_settings_of_the_page_are_good"],
    },
}
