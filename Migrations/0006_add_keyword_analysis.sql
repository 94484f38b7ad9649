-- Which version of the analyser made keyword_text. Version 2 makes pairs of letters in scripts that put no blanks
-- between words; every other text has the words that it had. The server analyses the rows in the index again.
ALTER TABLE memories ADD COLUMN keyword_analysis integer NOT NULL DEFAULT 1;

-- Han, kana, Thai, Lao, Khmer and Myanmar, by the blocks that hold them.
CREATE INDEX memories_to_analyze ON memories (number) WHERE keyword_analysis < 2 AND keyword_text ~
    '[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3005-\u30FF\u31F0-\u31FF\u3400-\u9FFF\uA9E0-\uAA7F\uF900-\uFAFF\uFF66-\uFF9F\U0001AFF0-\U0001B16F\U00020000-\U0003FFFF]';
