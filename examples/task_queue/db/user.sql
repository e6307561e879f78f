-- Who the two services are in Compose. No password: nobody else is in the database's network, and no port is published.

CREATE USER IF NOT EXISTS 'tasks'@'%';
GRANT ALL ON tasks.* TO 'tasks'@'%';
