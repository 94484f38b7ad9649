#!/usr/bin/env python3
"""Makes the fixtures of this folder with the published libraries, so that the tests need none of them.

    Scripts/fetch-model /tmp/models
    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch transformers sentence-transformers
    /tmp/venv/bin/python Tests/SentenceModelTests/Fixtures/make_fixtures.py /tmp/models/all-MiniLM-L6-v2

What is committed was made with the versions that `versions.json` names. Every text is a function of this script.

    sentences.jsonl   200 texts and the vectors of SentenceTransformer.encode, one text a time, float16 in base64
    lines.jsonl       mixed texts and the ids of the fast tokenizer, uint16 in base64, little-endian
    characters.json   for every 64 code points below U+20000 the FNV-1a hash (64 bits) of the ids of "a\u0000b a\u0001b ..."
    tiny-*/           models of a few kilobytes with other settings, and vectors.jsonl (float32 in base64) of them
"""
import base64
import inspect
import json
import pathlib
import random
import shutil
import struct
import sys

import numpy
import sentence_transformers
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
MODEL = pathlib.Path(sys.argv[1])
PICK = random.Random(20260101)

LANGUAGES = """
The quick brown fox jumps over the lazy dog.|My dog is ill and will not eat.|She has lived in Lisbon since 2019.
Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë.|Où est passé l'été ? Ça m'énerve déjà !
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.|Übermäßig früh aß er Klöße mit Soße.
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío.|¿Dónde está mañana el niño, señor?
Příliš žluťoučký kůň úpěl ďábelské ódy.|Zażółć gęślą jaźń.|Pijamalı hasta yağız şoföre çabucak güvendi. İSTANBUL ILIK
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.|Ο ΠΑΛΙΌΣ ΦΊΛΟΣ ΉΡΘΕ ΧΘΕΣ|Съешь же ещё этих мягких французских булок, да выпей чаю.
Їжак з'їв щойно зірвану ґрушу.|דג סקרן שט בים מאוכזב ולפתע מצא חברה|בְּרֵאשִׁית בָּרָא אֱלֹהִים|نص حكيم له سر قاطع وذو شأن عظيم
اَلْعَرَبِيَّةُ لُغَةٌ جَمِيلَةٌ|ऋषियों को सताने वाले दुष्ट राक्षसों के राजा|அம்மா அப்பா|เป็นมนุษย์สุดประเสริฐเลิศคุณค่า|ខ្ញុំស្រឡាញ់ភាសាខ្មែរ
いろはにほへとちりぬるを|東京タワーは高いです。昨日、友達と行きました。|カタカナとひらがなと漢字|ｶﾞｷﾞｸﾞ|我的狗生病了，不肯吃东西。
他每天早上六点起床，然后去公园跑步。|키스의 고유조건은 입술끼리 만나야 하고|나는 서울에 살아요|Tiếng Việt rất đẹp và khó phát âm
𝒯𝒽𝑒 𝓂𝒶𝓉𝒽 𝔞𝔩𝔭𝔥𝔞𝔟𝔢𝔱 𝟙𝟚𝟛|ﬁnal oﬀer ﬂow ½ ² № ™ Å Å|𠀀𠀁 𪜀 𫝀 𫠠 𮯠|e\u0301te\u0301 a\u0308\u0323 o\u0328\u0304
👩‍👩‍👧‍👦 family trip 🏖️ was great 👍🏽|🇩🇪🇫🇷 1️⃣2️⃣ ❤️‍🔥|I ❤ NY ☕️ & 🍕!!!|🤖🧠💾|🙂🙃
def main(argv: list[str]) -> int: return sum(map(int, argv[1:]))|for (int i = 0; i < n; ++i) { a[i] ^= ~b[i] >> 3; }
SELECT u.name, COUNT(*) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY 1 HAVING COUNT(*) > 10;
<div class="hit" data-id='7'>A &amp; B</div>|git rebase -i HEAD~3 && git push --force-with-lease|{"id": "a-1", "tags": ["x", null], "n": -1.5e-7}
https://example.org/a/b?c=d&e=%20f#g|mail: jane.doe+test@example.co.uk|C:\\Users\\me\\file.txt|10.0.0.1:8080|v1.2.3-rc.4+build
$1,234.56 is 20% of €6.172,80; £5 < ¥900|snake_case camelCase PascalCase kebab-case SCREAMING_CASE|don't can't won't it's o'clock
[CLS] inside [SEP] text [MASK] and [PAD] or [UNK]|[cls] [Mask]|a[SEP]b[MASK]c|...?!?!---___***|"quoted" ‘single’ “double” «guillemets»
""".replace("\\u0301", "\u0301").replace("\\u0308", "\u0308").replace("\\u0323", "\u0323").replace("\\u0328", "\u0328").replace(
    "\\u0304", "\u0304").strip().replace("\n", "|").split("|")

SUBJECTS = "Maya|the old neighbour|our new manager|Dr. Okafor|a stray cat|the search team|my sister's friend|Jonas".split("|")
VERBS = "forgot|sold|repaired|dreams about|cannot stand|has finally bought|promised to bring|is allergic to".split("|")
OBJECTS = """the green bicycle|peanuts and walnuts|a second-hand piano|the quarterly report|train tickets to Vienna|two kittens
fresh basil|the spare key to flat 3B|an électrique scooter|his grandmother's recipe""".replace("\n", "|").split("|")
TAILS = "in March|because of the rain|for 25 euros|last Tuesday at 9:30|again|without telling anyone|, as usual|!".split("|")
BLANKS = [" "] * 12 + ["\t", "\n", "\r\n", "  ", "\u00a0", "\u3000", "\u2028", "\u2003", "\u0085", "\u000b", "\u001f", ""]
ODD = list("\u0000\u0001\u007f\u0080\u00ad\u200b\u200d\u200e\u202e\u2060\ufeff\ufffd\ufffc\ufdd0\ue000\uf8ff\ufe0f\u0345\u180e") + [
    chr(0x10FFFF), chr(0xE0001), chr(0x1F3FD)]


def sentence():
    return f"{PICK.choice(SUBJECTS)} {PICK.choice(VERBS)} {PICK.choice(OBJECTS)} {PICK.choice(TAILS)}"


def prose(words):
    found = []
    while len(found) < words:
        found += (sentence() + ".").split(" ")
    return " ".join(found[:words])


def sentence_texts():
    texts = ["", " ", "\n\t", ".", "a", "?!", "0", "é", "中", "👍", "\u200b", "[SEP]", "the", "The", "x" * 101, "y" * 1000]
    texts += LANGUAGES
    texts += [prose(words) for words in (50, 120, 180, 200, 240, 254, 255, 256, 257, 300, 400, 512, 700, 1000, 2000, 2000)]
    texts += ["中文字符" * 80, "👍🏽" * 120, "été " * 260, "0123456789 " * 40, inspect.getsource(sentence) * 3, "hello\n" * 300]
    texts += [sentence() for _ in range(200 - len(texts))]
    assert len(texts) == 200
    return texts


def random_character():
    while True:
        value = PICK.choice((PICK.randrange(0x20, 0x7F), PICK.randrange(0xA0, 0x250), PICK.randrange(0x250, 0x3000),
                             PICK.randrange(0x3000, 0xFFFF), PICK.randrange(0x10000, 0x20000)))
        if not 0xD800 <= value < 0xE000:
            return chr(value)


def lines(vocabulary):
    made = list(LANGUAGES) + ODD + BLANKS + ["x" * n for n in (99, 100, 101)] + ["é" * n for n in (99, 100, 101)] + [prose(600)]
    while len(made) < 6000:
        kind = len(made) % 8
        count = PICK.randrange(1, 14)
        if kind == 0:
            made.append(sentence())
        elif kind == 1:
            made.append("".join(PICK.choice(vocabulary) for _ in range(count)))
        elif kind == 2:
            made.append("".join(PICK.choice(vocabulary).removeprefix("##") + PICK.choice(BLANKS) for _ in range(count)))
        elif kind == 3:
            made.append("".join(random_character() for _ in range(count)))
        elif kind == 4:
            made.append("".join(PICK.choice(PICK.choice(LANGUAGES).split(" ")) + PICK.choice(BLANKS) for _ in range(count)))
        elif kind == 5:  # letters of anywhere with what may stand between them
            text = list(PICK.choice(LANGUAGES))
            for _ in range(count):
                text.insert(PICK.randrange(len(text) + 1), PICK.choice(ODD + BLANKS + [random_character()]))
            made.append("".join(text[:80]))
        elif kind == 6:
            text = PICK.choice(LANGUAGES)
            made.append(PICK.choice((text.upper(), text.lower(), text.title(), text.swapcase(), text[::-1], text.replace(" ", ""))))
        else:
            made.append("".join(PICK.choice("abcéñ0189-_./:;'\"()[]{}<>@#$%^&*+=|\\~`¿—…’ ") for _ in range(count * 3)))
    return made


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def packed(ids):
    return struct.pack(f"<{len(ids)}H", *ids)


def text64(data):
    return base64.b64encode(data).decode()


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) + "\n" for row in rows))


def tokenizer_fixtures():
    tokenizer = tokenizers.Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    texts = lines(sorted(tokenizer.get_vocab()))
    write(HERE / "lines.jsonl", ([text, text64(packed(tokenizer.encode(text).ids))] for text in texts))
    tokenizer.no_truncation()
    hashes = []
    for start in range(0, 0x20000, 64):
        text = " ".join(f"a{chr(value)}b" for value in range(start, start + 64) if not 0xD800 <= value < 0xE000)
        hashes.append(f"{fnv(packed(tokenizer.encode(text).ids)):016x}")
    (HERE / "characters.json").write_text(json.dumps(hashes, separators=(",", ":"), indent=0) + "\n")


def encode_each(model, texts):
    return [model.encode([text], convert_to_numpy=True)[0] for text in texts]


def sentence_fixtures():
    model = sentence_transformers.SentenceTransformer(str(MODEL), device="cpu")
    texts = sentence_texts()
    vectors = encode_each(model, texts)
    write(HERE / "sentences.jsonl", (
        {"text": text, "vector": text64(vector.astype("<f2").tobytes())} for text, vector in zip(texts, vectors)))


TINY_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.,!?-'", "é", "É", "A", "D", "I",
                   *("##" + letter for letter in "abcdefghijklmnopqrstuvwxyzé"), "dog", "my", "is", "ill", "My", "Dog", "##ing"]
TINY_TEXTS = ["my dog is ill", "My Dog is ILL!", "été É e\u0301", "", "barking, and running - a lot? " * 12, "zzz qqq"]


def tiny_model(name, *, kind, activation, lower, normalize, pooling, prefix):
    """A BERT of random weights in `kind`, with the settings given, and what the library makes of it."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    torch.manual_seed(len(name))
    config = transformers.BertConfig(
        vocab_size=len(TINY_VOCABULARY), hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        max_position_embeddings=64, hidden_act=activation, initializer_range=0.4, layer_norm_eps=1e-6)
    model = transformers.BertModel(config)
    model.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    save_file({prefix + key: value.to(kind).contiguous() for key, value in weights.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    (folder / "vocab.txt").write_text("\n".join(TINY_VOCABULARY) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "BertTokenizer", "do_lower_case": lower, "strip_accents": None, "model_max_length": 48}))
    flags = {"word_embedding_dimension": 24, "pooling_mode_cls_token": pooling == "cls",
             "pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_max_tokens": False}
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(flags))
    names = ["Transformer", "Pooling"] + (["Normalize"] if normalize else [])
    (folder / "modules.json").write_text(json.dumps([
        {"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{module}", "type": f"sentence_transformers.models.{module}"}
        for i, module in enumerate(names)]))
    if normalize:
        (folder / "2_Normalize").mkdir()
    fast = transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=lower)
    if lower:  # the other model has vocab.txt alone
        fast.backend_tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "vocab.txt").unlink()
    model = transformers.BertModel(config).eval()
    model.load_state_dict({key: value.to(kind).float() for key, value in weights.items()})
    rows = []
    for text in TINY_TEXTS:
        batch = fast([text], truncation=True, max_length=48, return_tensors="pt")
        with torch.no_grad():
            states = model(**batch).last_hidden_state[0]
        vector = states[0] if pooling == "cls" else states.mean(0)
        if normalize:
            vector = vector / vector.norm()
        rows.append({"text": text, "ids": batch["input_ids"][0].tolist(),
                     "vector": text64(vector.numpy().astype("<f4").tobytes())})
    write(folder / "vectors.jsonl", rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    tokenizer_fixtures()
    sentence_fixtures()
    tiny_model("tiny-cls-f16", kind=torch.float16, activation="gelu_new", lower=False, normalize=False, pooling="cls", prefix="")
    tiny_model("tiny-mean-bf16", kind=torch.bfloat16, activation="relu", lower=True, normalize=True, pooling="mean", prefix="bert.")
    (HERE / "versions.json").write_text(json.dumps({
        module.__name__: module.__version__ for module in (sentence_transformers, tokenizers, torch, transformers)}, indent=1) + "\n")
