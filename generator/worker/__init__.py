"""The aiokafka worker around the pipeline: takes requests, queues them fairly, announces banners, commits offsets."""
