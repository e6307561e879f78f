"""RabbitMQ as a broker, over aiormq."""
