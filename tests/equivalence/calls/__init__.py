"""What is called on both clients."""

from . import collections, dangerous, modules, scripts, server, sorted_sets, streams, strings

# On a real server.
LIVE = {
    group.__name__: group
    for module in (strings, collections, sorted_sets, streams, scripts, server)
    for group in module.GROUPS
}
# On the wire only.
MODULES = {group.__name__: group for group in modules.GROUPS}
DANGEROUS = {group.__name__: group for group in dangerous.GROUPS}
