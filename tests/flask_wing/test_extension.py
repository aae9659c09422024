"""`init_app`, settings, and the doors that lead to the current app's pool."""

from __future__ import annotations

import pickle
import subprocess
import sys
import weakref
from typing import Any

import pytest
import redis
from flask import Flask, g

import redis_pool_ext
from redis_pool_ext import ConfigError, get_pool, get_redis, lease_scope
from redis_pool_ext.flask import FlaskRedisPool, current_redis

from .support import make_app, pool_of, redis_pool

WHERE = "app.config['REDIS_POOLS']"


def app_with(pools: Any) -> Flask:
    """Return an app with this setting, not yet set up."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = pools
    return app


def test_app_given_to_the_constructor_is_set_up(url):
    """`FlaskRedisPool(app)` is `init_app(app)`."""
    app = app_with({"default": url})
    FlaskRedisPool(app)
    with app.app_context():
        assert current_redis.ping()


def test_missing_setting_raises_and_says_what_to_write():
    """Without REDIS_POOLS, init_app shows the line to write."""
    with pytest.raises(ConfigError) as caught:
        FlaskRedisPool(Flask("shop"))
    line = f"{WHERE} = {{'default': 'redis://localhost:6379/0'}}"
    assert str(caught.value) == f"{WHERE}: is not set; before init_app, write {line}"


@pytest.mark.parametrize("key", ["REDIS_POOL", "REDISPOOLS", "REDIS_URL"])
def test_setting_under_another_name_is_pointed_at(key: str):
    """A misspelt key, or flask-redis's, and none of our other settings."""
    app = Flask("shop")
    app.config.update({key: {}, "REDIS_POOL_BUDGET": 1.0, "REDIS_POOL_EAGER": True})
    with pytest.raises(ConfigError) as caught:
        FlaskRedisPool(app)
    assert str(caught.value).endswith(f"; there is {key!r}, which is not read")


@pytest.mark.parametrize(
    ("pools", "path", "words"),
    [
        (None, "", "mapping of alias to URL or settings"),
        ("redis://localhost", "", "mapping of alias to URL or settings"),
        ({"default": 6379}, "['default']", "URL or a mapping of settings"),
        ({"default": {}}, "['default']['URL']", "redis://localhost:6379/0"),
        ({"default": "http://localhost"}, "['default']", "redis://"),
        (
            {"default": {"URL": "redis://h", "MAX_CONNECTION": 3}},
            "['default']['MAX_CONNECTION']",
            "did you mean 'MAX_CONNECTIONS'",
        ),
        (
            {"default": {"URL": "redis://h", "MAX_CONNECTIONS": "3"}},
            "['default']['MAX_CONNECTIONS']",
            "whole number",
        ),
        (
            {"default": {"URL": "redis://h", "TIMEOUT": -1}},
            "['default']['TIMEOUT']",
            "seconds",
        ),
        (
            {"default": {"URL": "redis://h", "OPTIONS": {"socket_timeot": 1}}},
            "['default']['OPTIONS']['socket_timeot']",
            "did you mean 'socket_timeout'",
        ),
    ],
)
def test_wrong_setting_raises_at_init_app_and_names_the_place(pools, path, words):
    """A wrong setting is an error at start-up that says where, what and what instead."""
    with pytest.raises(ConfigError) as caught:
        FlaskRedisPool(app_with(pools))
    assert str(caught.value).startswith(f"{WHERE}{path}: ")
    assert words in str(caught.value)


def test_several_wrong_settings_are_told_at_once():
    """One start shows every problem."""
    pools = {"default": {"URL": "redis://h", "TIMEOUT": "x"}, "reports": {"URL": "nonsense"}}
    with pytest.raises(ConfigError) as caught:
        FlaskRedisPool(app_with(pools))
    assert len(caught.value.problems) == 2


def test_failed_init_app_leaves_nothing_and_can_be_repeated(url):
    """After the setting is corrected, the same app can be set up."""
    app = app_with({"default": "nonsense"})
    with pytest.raises(ConfigError):
        redis_pool.init_app(app)
    app.config["REDIS_POOLS"] = {"default": url}
    redis_pool.init_app(app)
    assert app.test_client().get("/nowhere").status_code == 404


@pytest.mark.parametrize("again", [redis_pool, FlaskRedisPool()])
def test_second_init_app_raises_and_names_the_way_out(app, again):
    """An app is set up once, whichever object does it."""
    with pytest.raises(RuntimeError, match=r"'shop'.* import and use the first one"):
        again.init_app(app)


def test_init_app_connects_nothing(app, pool):
    """Neither set-up nor an app context nor the client in it takes a connection."""
    with app.app_context():
        assert g.redis is not None
    assert pool.stats().created == pool.stats().acquired == 0


def test_state_lives_in_the_app_and_not_in_the_extension(app):
    """The extension object keeps no app alive; `app.extensions` has the state."""
    (apps,) = vars(redis_pool).values()
    assert isinstance(apps, weakref.WeakSet)
    assert list(app.extensions["redis_pool_ext"].configs) == ["default"]


def test_current_redis_is_a_redis_client_on_the_lease(app):
    """`current_redis` passes for the `redis.Redis` that `g.redis` is."""
    with app.app_context():
        assert isinstance(current_redis, redis.Redis)
        assert current_redis.client_id() == g.redis.client_id() == get_redis().client_id()


def test_current_redis_outside_of_a_context_says_what_to_use_instead():
    """The error is Flask's well-known sentence and the two ways that work anywhere."""
    with pytest.raises(RuntimeError, match="Working outside of application context") as caught:
        current_redis.ping()
    assert "get_redis()" in str(caught.value)
    assert "lease_scope()" in str(caught.value)


def test_pool_outside_of_a_context_says_what_is_missing():
    """`FlaskRedisPool.pool` is the current app's, so there must be one."""
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        _ = redis_pool.pool


def test_forgotten_init_app_is_named_by_its_question():
    """In an app that was never set up, both doors ask about init_app."""
    with Flask("forgotten").app_context():
        with pytest.raises(RuntimeError, match="Did you forget init_app"):
            current_redis.ping()
        with pytest.raises(RuntimeError, match="Did you forget init_app"):
            _ = redis_pool.pool


def test_app_without_a_default_pool_works_by_alias(url):
    """Without "default" there is no `g.redis`, and `current_redis` names what there is."""
    app = app_with({"reports": url})
    redis_pool.init_app(app)
    with app.app_context():
        assert get_redis("reports").ping()
        assert not hasattr(g, "redis")
        with pytest.raises(ConfigError, match=r"'default'.* known are reports"):
            current_redis.ping()


def test_pools_of_the_app_come_before_those_of_the_process(app, url):
    """In an app context the app's mapping is asked first, then `configure()`'s."""
    redis_pool_ext.configure({"default": f"{url}?max_connections=7", "tasks": url})
    assert get_pool().max_connections == 7
    with app.app_context():
        assert get_pool().max_connections == 2
        assert get_pool("tasks").alias == "tasks"
    assert get_pool().max_connections == 7


def test_apps_with_other_databases_do_not_meet(url, admin):
    """Two apps in one process, each with its own database behind one `current_redis`."""
    shop, blog = make_app(url), make_app(url.removesuffix("0") + "1", "blog")
    for app, value in ((shop, "s"), (blog, "b")):
        with app.app_context():
            current_redis.set("name", value)
    with shop.app_context():
        assert current_redis.get("name") == b"s"
    with blog.app_context():
        assert current_redis.get("name") == b"b"
    assert pool_of(shop) is not pool_of(blog)


def test_apps_with_the_same_settings_share_one_pool(url):
    """One process, one pool per config, however many apps there are."""
    assert pool_of(make_app(url)) is pool_of(make_app(url, "blog"))


def test_context_of_another_app_inside_a_request_gets_its_own_pool(app, url):
    """In a nested context of another app `g` and `current_redis` are that app's."""
    blog = make_app(url.removesuffix("0") + "1", "blog")
    with app.app_context():
        current_redis.set("name", "shop")
        with blog.app_context():
            assert current_redis.get("name") is g.redis.get("name") is None
        assert current_redis.get("name") == b"shop"
    assert pool_of(app).stats().in_use == pool_of(blog).stats().in_use == 0


def test_plain_process_is_served_without_an_app(app, url):
    """Outside any context the process's own settings count, also beside an app."""
    redis_pool_ext.configure({"default": url})
    with lease_scope():
        assert get_redis().ping()


def test_repr_names_the_aliases_and_no_credential():
    """What a debugger shows has neither URL nor password."""
    app = app_with({"default": "redis://ann:hunter2@localhost/0", "reports": "redis://localhost"})
    FlaskRedisPool(app)
    assert repr(redis_pool) == "<FlaskRedisPool>"
    with app.app_context():
        assert repr(redis_pool) == "<FlaskRedisPool of 'shop': default, reports>"
    assert "hunter2" not in repr(app.extensions)


def test_wrong_setting_beside_a_password_does_not_tell_it():
    """The message of a ConfigError shows no credential."""
    pools = {"default": {"URL": "redis://ann:hunter2@localhost:port/0", "TIMEOUT": None}}
    with pytest.raises(ConfigError) as caught:
        FlaskRedisPool(app_with(pools))
    assert "hunter2" not in str(caught.value)


def test_flask_shell_offers_current_redis(app):
    """`flask shell` starts with the client at hand."""
    assert app.make_shell_context()["current_redis"] is current_redis


def test_flask_is_loaded_by_the_wing_only():
    """`import redis_pool_ext` leaves Flask alone, and the wing leaves Django alone."""
    program = (
        "import sys, redis_pool_ext; assert 'flask' not in sys.modules;"
        "import redis_pool_ext.flask; assert 'django' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_shared_client_is_on_the_lease_of_the_request(url):
    """What another extension keeps, and what the view uses, are one connection."""
    app = make_app(url)
    kept = redis_pool.client

    @app.get("/both")
    def both():
        kept.set("key", "value")
        return f"{current_redis.client_id() == kept.client_id()} {redis_pool.pool.stats().in_use}"

    assert app.test_client().get("/both").text == "True 1"


def test_shared_client_of_one_app_works_outside_of_its_contexts(url):
    """It is made at import, say for Flask-Session's setting, and may be used in a thread."""
    app = app_with({"default": url})
    own = FlaskRedisPool()
    kept = own.client
    with pytest.raises(RuntimeError, match="outside of application context"):
        kept.ping()
    own.init_app(app)
    assert kept.ping()
    with app.app_context():
        assert own.pool.stats().idle == 1


def test_shared_client_of_two_apps_must_be_told_which(url):
    """Outside of their contexts it is neither's; inside, the current one's."""
    own = FlaskRedisPool()
    apps = [app_with({"default": f"{url.partition('?')[0]}?client_name=app{n}"}) for n in (1, 2)]
    for app in apps:
        own.init_app(app)
    kept = own.client
    with pytest.raises(RuntimeError, match="their default pools differ"):
        kept.ping()
    for n, app in enumerate(apps, 1):
        with app.app_context():
            assert kept.client_getname() == f"app{n}"


def test_shared_client_of_apps_with_the_same_pool_works_outside_of_their_contexts(url):
    """A factory that is called for each test makes many apps, which do not go at once."""
    own = FlaskRedisPool()
    apps = [app_with({"default": url}) for _ in range(2)]
    for app in apps:
        own.init_app(app)
    assert own.client.ping()


def test_shared_client_of_an_app_is_not_pickled():
    """The message says what goes to another process instead."""
    with pytest.raises(TypeError, match=r"shared_redis\(\)"):
        pickle.dumps(FlaskRedisPool().client)


def test_shared_client_of_an_app_without_default_says_so(url):
    """As `get_pool()` does."""
    app = app_with({"reports": url})
    own = FlaskRedisPool(app)
    with app.app_context(), pytest.raises(ConfigError, match="default"):
        own.client.ping()
