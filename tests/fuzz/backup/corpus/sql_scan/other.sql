USE mysql;
INSERT INTO other.x VALUES (1);
GRANT ALL ON *.* TO x;
\! id
