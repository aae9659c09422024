"""What monitoring asks of the pools: OpenTelemetry and Prometheus, each in a module of its own.

from redis_pool_ext.metrics.opentelemetry import instrument      # redis-pool-ext[opentelemetry]
from redis_pool_ext.metrics.prometheus import PoolCollector      # redis-pool-ext[prometheus]
"""
