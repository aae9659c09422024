"""Replies of all kinds, as a server would write them."""

from __future__ import annotations


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


def array(*items: bytes) -> bytes:
    return b"*%d\r\n%b" % (len(items), b"".join(items))


OK = b"+OK\r\n"
ONE = b":1\r\n"
NOTHING = b"$-1\r\n"
ERROR = b"-ERR it is refused\r\n"

# What both protocols have.
COMMON = {
    "status": OK,
    "empty status": b"+\r\n",
    "number": b":42\r\n",
    "negative number": b":-1\r\n",
    "text": bulk(b"hello"),
    "empty text": bulk(b""),
    "number as text": bulk(b"2.5"),
    "non-ASCII text": bulk("naïve ✓".encode()),
    "empty array": array(),
    "pair": array(bulk(b"a"), bulk(b"1")),
    "numbers": array(b":1\r\n", b":0\r\n", b":-2\r\n"),
    "nested arrays": array(bulk(b"0"), array(bulk(b"a"), array(bulk(b"b"), bulk(b"c")))),
    "array with an error": array(bulk(b"a"), b"-WRONGTYPE inside\r\n", b"-ERR other\r\n"),
}
LARGE = {
    "large text": bulk(b"x" * 200_000),
    "many texts": array(*[bulk(b"%d" % number) for number in range(5_000)]),
}
ERRORS = {
    "ERR": ERROR,
    "WRONGTYPE": b"-WRONGTYPE Operation against a key\r\n",
    "NOSCRIPT": b"-NOSCRIPT No matching script\r\n",
    "READONLY": b"-READONLY You can't write against a read only replica.\r\n",
    "LOADING": b"-LOADING Redis is loading the dataset in memory\r\n",
    "OOM": b"-OOM command not allowed\r\n",
    "NOAUTH": b"-NOAUTH Authentication required.\r\n",
    "NOPERM": b"-NOPERM this user has no permissions\r\n",
    "MOVED": b"-MOVED 3999 127.0.0.1:6381\r\n",
    "ASK": b"-ASK 3999 127.0.0.1:6381\r\n",
    "TRYAGAIN": b"-TRYAGAIN Multiple keys request\r\n",
    "CLUSTERDOWN": b"-CLUSTERDOWN Hash slot not served\r\n",
    "CROSSSLOT": b"-CROSSSLOT Keys in request\r\n",
    "MASTERDOWN": b"-MASTERDOWN Link with MASTER is down\r\n",
    "EXECABORT": b"-EXECABORT Transaction discarded\r\n",
    "BUSY": b"-BUSY Redis is busy running a script\r\n",
    "maxclients": b"-ERR max number of clients reached\r\n",
    "own code": b"-MINE something\r\n",
    "one word": b"-ERR\r\n",
}
# What each has of its own.
RESP2 = {
    "nil": NOTHING,
    "nil array": b"*-1\r\n",
    "array with nil": array(bulk(b"a"), NOTHING, b":7\r\n"),
}
RESP3 = {
    "null": b"_\r\n",
    "true": b"#t\r\n",
    "false": b"#f\r\n",
    "double": b",1.5\r\n",
    "infinite": b",-inf\r\n",
    "not a number": b",nan\r\n",
    "big number": b"(3492890328409238509324850943850943825024385\r\n",
    "verbatim": b"=15\r\ntxt:Some string\r\n",
    "map": b"%2\r\n" + bulk(b"a") + ONE + bulk(b"b") + array(ONE),
    "nested map": b"%1\r\n" + bulk(b"a") + b"%1\r\n" + bulk(b"b") + b",0.5\r\n",
    "set": b"~3\r\n" + bulk(b"a") + bulk(b"b") + ONE,
    "array of maps": array(b"%1\r\n" + bulk(b"a") + b"#t\r\n", b"_\r\n"),
}
_MESSAGE = b">3\r\n" + bulk(b"message") + bulk(b"news") + bulk(b"text")
PUSHED = {
    "message before": _MESSAGE + OK,
    "two messages before": 2 * _MESSAGE + bulk(b"hello"),
    "invalidation before": b">2\r\n" + bulk(b"invalidate") + array(bulk(b"k")) + ONE,
    "maintenance before": b">3\r\n" + bulk(b"MIGRATING") + b":1\r\n:1\r\n" + ONE,
    "unknown push before": b">1\r\n" + bulk(b"whatever") + b"_\r\n",
    "message before an error": _MESSAGE + ERROR,
}
# Not what a server says: the connection is no use any more.
BROKEN = {
    "long error": b"!21\r\nSYNTAX invalid syntax\r\n",  # RESP3's own, which hiredis does not know
    "not UTF-8": bulk(b"\xff\xfe"),
    "not the protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "number that is none": b":x\r\n",
}


def for_protocol(protocol: int) -> dict[str, bytes]:
    """Return the replies after which the connection is as good as before."""
    return COMMON | (RESP3 if protocol == 3 else RESP2)
