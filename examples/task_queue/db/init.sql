-- The application's own table, beside Duly's. Run on first start, in the application's database.

CREATE TABLE IF NOT EXISTS tasks (
    id           VARCHAR(36)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    title        VARCHAR(255) NOT NULL,
    description  TEXT         NOT NULL,
    status       ENUM ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED') NOT NULL DEFAULT 'PENDING',
    metadata     JSON         NULL,
    created_at   TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at   TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    completed_at TIMESTAMP(6) NULL     DEFAULT NULL,
    PRIMARY KEY (id),
    CONSTRAINT tasks_title CHECK (CHAR_LENGTH(title) >= 1),
    CONSTRAINT tasks_description CHECK (CHAR_LENGTH(description) >= 1)
) CHARACTER SET utf8mb4;
