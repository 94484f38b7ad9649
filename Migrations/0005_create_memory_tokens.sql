-- The signs of the states of a record's tokens, with the tag of the model that made them, for late interaction.
-- Apart from the vectors, whose rows an exact scan reads one after the other. They stay in the row, uncompressed: what
-- is random does not become smaller.
CREATE TABLE memory_tokens (
    number bigint PRIMARY KEY REFERENCES memories ON DELETE CASCADE,
    bits bytea NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE memory_tokens ALTER COLUMN bits SET STORAGE EXTERNAL;

-- A new text leaves no bits of the old one behind, whatever the writer knows of them; it then stores its own.
CREATE FUNCTION forget_tokens() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM memory_tokens WHERE number = NEW.number;
    RETURN NEW;
END
$$;

CREATE TRIGGER memories_text_changed_tokens BEFORE UPDATE OF text ON memories FOR EACH ROW
    WHEN (OLD.text <> NEW.text) EXECUTE FUNCTION forget_tokens();
