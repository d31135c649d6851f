"""Makes tokens.jsonl, tokenizers/ and static/: what tiktoken 0.14.0, tokenizers 0.23.3 and model2vec 0.10.0 give.

usage: python tokens.py FOLDER
FOLDER has o200k_base.tiktoken and cl100k_base.tiktoken; tiktoken checks that they are the published ones.
"""

import json
import os
import sys
from pathlib import Path

import numpy
import tiktoken
import tiktoken.load
from model2vec import StaticModel
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

here = Path(__file__).parent
tiktoken.load.read_file = lambda url: Path(sys.argv[1], url.rsplit("/", 1)[1]).read_bytes()
os.environ["TIKTOKEN_CACHE_DIR"] = ""

corpus = [json.loads(line) for line in (here / "texts.jsonl").read_text().splitlines()]
corpus = [text if isinstance(text, str) else text.get("text", "") for text in corpus]
hard = [
    "", " ", "  ", "\n", " \n ", "a", "to be, or not to be", "It's John's; they'LL we'Ve I'M you'd", "x = [1,2,3]\n    return  x\n\n\n",
    "12345678 3.14159 ١٢٣ ½", "naïve café e\u0301 Straße", "你好，世界。こんにちは 안녕하세요", "Привет, мир! Γειά σου", "नमस्ते दुनिया", "🙂👩‍👩‍👧 🏳️‍🌈",
    "HTTPServerErrorCode camelCaseWords snake_case_words", "a\u00a0b\u3000c\u2028d\tx", "<|endoftext|> <s> </s> [UNK]", "/usr/local/bin//x///\r\n\r\n y",
    "   leading and trailing   ", "\u200b\ufeff\u0000x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" * 4, "{\"key\": [true, null, -1.5e-3]}",
    "Ǆ ǅ ǆ ᾳ İstanbul ſ", "The quick brown fox jumps over the lazy dog.", "!?!?!?... --- === *** ###",
]
texts = hard + [text[:600] for text in corpus[:60]]

# Tokenizers of all kinds of models, small and trained here.
train = [text[:2000] for text in corpus] + hard
bytes_ = Tokenizer(models.BPE())
bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bytes_.train_from_iterator(train, trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|end|>"], show_progress=False))
# What a file says of cutting off, filling up and adding is not of the text.
bytes_.post_processor = processors.TemplateProcessing(single="$A <|end|>", special_tokens=[("<|end|>", 0)])
bytes_.enable_truncation(4)
bytes_.enable_padding(length=9, pad_token="<|end|>")
pieces = Tokenizer(models.WordPiece(unk_token="[UNK]"))
pieces.normalizer = normalizers.BertNormalizer()
pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
pieces.train_from_iterator(["the cat sat on the mat", "a dog and a cat", "birds sing in the trees"] * 3, trainers.WordPieceTrainer(vocab_size=50, special_tokens=["[PAD]", "[UNK]"], show_progress=False))
unigram = Tokenizer(models.Unigram())
unigram.pre_tokenizer = pre_tokenizers.Metaspace()
unigram.train_from_iterator(["the cat sat on the mat", "a dog and a cat", "birds sing in the trees"] * 3, trainers.UnigramTrainer(vocab_size=50, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False))

(here / "tokenizers").mkdir(exist_ok=True)
known = {"bytes": bytes_, "pieces": pieces, "unigram": unigram}
for name, tokenizer in known.items():
    tokenizer.save(str(here / "tokenizers" / f"{name}.json"), pretty=False)
bytes_.no_truncation()
bytes_.no_padding()

# A static model of each kind of tokenizer.
random = numpy.random.default_rng(7)
models_ = {}
for name, tokenizer, dtype, config in [
    ("pieces", pieces, numpy.float32, {"normalize": True}),
    ("unigram", unigram, numpy.float16, {"normalize": False, "max_length": 6}),
]:
    folder = here / "static" / name
    folder.mkdir(parents=True, exist_ok=True)
    vectors = random.normal(size=(tokenizer.get_vocab_size(), 6)).astype(dtype)
    save_file({"embeddings": vectors}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    models_[name] = StaticModel.from_pretrained(folder)
asked = ["the cat sat", "a cat", "dogs and birds", "The CAT! sat on a mat.", "zebra the", "in", "xyzzy 123", "", "the cat sat on the mat and a dog sat in the trees"]

with open(here / "tokens.jsonl", "w") as out:
    for text in texts:
        vector = {"text": text}
        for name in ["o200k_base", "cl100k_base"]:
            vector[name] = len(tiktoken.get_encoding(name).encode_ordinary(text))
        for name, tokenizer in known.items():
            vector[name] = len(tokenizer.encode(text, add_special_tokens=False))
        out.write(json.dumps(vector, ensure_ascii=False) + "\n")
    for text in asked:
        vectors = {name: [float(x) for x in model.encode([text])[0]] for name, model in models_.items()}
        out.write(json.dumps({"asked": text, **vectors}, ensure_ascii=False) + "\n")
