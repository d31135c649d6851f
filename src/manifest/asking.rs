//! The part of the table of keys that is about models: the models themselves, and what asks them.

use super::keys::{ABOUT, COLUMN, COUNT, NAME, REF, SEED, SQL};
use super::shape::Role::{Definition, Description, Edge};
use super::shape::{Group, Range, Required, Shape, Table, Text, key};

/// Answers that one row may have, and examples, neighbours or requests at once: far more than makes sense.
const FEW: Shape = Shape::Int(1, 1000);
const FILLED: Shape = Shape::Text(Text::Filled);
const RATE: Shape = Shape::Number(Range::NotNegative);

/// What a `provider` may be.
pub const PROVIDERS: &[&str] = &["openai", "anthropic", "replay"];

pub static BUDGET: Table = Table {
    sections: &[&[
        key(
            "money",
            Description,
            Shape::Number(Range::Positive),
            "So much money, in the currency of the models' prices.",
        ),
        key(
            "requests",
            Description,
            Shape::Int(0, i64::MAX),
            "So many requests. With 0, only recorded responses are used.",
        ),
    ]],
    groups: &[],
};

pub static MODEL: Table = Table {
    sections: &[
        &[
            key(
                "provider",
                Description,
                Shape::Text(Text::OneOf(PROVIDERS)),
                "`openai`: OpenAI, or any endpoint that is compatible with it (vLLM, SGLang, llama.cpp, Ollama …); `anthropic`: Anthropic's \
                 Messages; `replay`: none, only recorded responses are used.",
            )
            .required(),
            key(
                "url",
                Description,
                Shape::Text(Text::Url),
                "The base of the endpoint, such as `http://localhost:8000/v1`. Without it, the provider's own.",
            ),
            key("name", Definition, FILLED, "What the endpoint calls the model.").required(),
            key(
                "identity",
                Definition,
                FILLED,
                "What the model is called in keys, where endpoints call the same model differently. Without it, the `name` is; with it, the \
                 `name` is in no key.",
            ),
            key(
                "api",
                Definition,
                Shape::Text(Text::OneOf(&["chat", "completions"])),
                "`chat`: dialogues are answered; `completions`: texts are continued.",
            )
            .default("\"chat\""),
            key("temperature", Definition, RATE, "How much chance there is in the reply. Without it, the endpoint decides."),
            key("top_p", Definition, Shape::Number(Range::Share), "Only the likeliest tokens, up to this probability together."),
            key(
                "seed",
                Definition,
                // The seeds of further samples count on from it, and endpoints read 32 bits.
                Shape::Int(0, i32::MAX as i64),
                "The seed of the first sample; the others count on from it.",
            ),
            key("stop", Definition, Shape::OneOrMore(&Shape::Text(Text::NotEmpty)), "Texts that end the reply."),
            key(
                "max_tokens",
                Definition,
                Shape::Int(1, 10_000_000),
                "The tokens that a reply may have. A reply that meets the limit is a failed row. A larger limit asks again only for those.",
            ),
            key(
                "max_tokens_field",
                Description,
                Shape::Text(Text::OneOf(&["max_tokens", "max_completion_tokens"])),
                "The field of the request's body in which `max_tokens` goes out. Without it, `max_completion_tokens` for chats at \
                 `api.openai.com`, else `max_tokens`.",
            ),
            key(
                "logprobs",
                Definition,
                Shape::Int(0, 20),
                "Keep the log-probabilities of the reply's tokens, and so many alternatives of each.",
            ),
            key(
                "body",
                Definition,
                Shape::Map(Text::Filled, &Shape::Any),
                "Further fields of the request's body, as the endpoint knows them: `{ min_p = 0.05, guided_regex = \"…\" }`.",
            ),
            key(
                "key",
                Description,
                Shape::Text(Text::Variable),
                "The environment variable that holds the API key. Without it, the provider's own at the provider's own URL, else none is sent.",
            ),
            key(
                "price",
                Description,
                Shape::Table(&PRICE),
                "Money per million tokens, in whatever currency; with `batch`, what they cost in batches. Without it, what requests cost is unknown.",
            ),
            key("limits", Description, Shape::Table(&LIMITS), "How much the endpoint may be asked. What is left out has no limit of ours."),
            key(
                "timeout",
                Description,
                Shape::Number(Range::Seconds),
                "Seconds that a request may take, from the first byte sent to the last received.",
            )
            .default("120"),
            key("attempts", Description, Shape::Int(1, 20), "How often a request is sent before its row fails.").default("5"),
            key(
                "batch",
                Description,
                Shape::True,
                "Send requests in batches, as OpenAI has them: for less money, and answered within a day. Only for the provider `openai`.",
            ),
            key(
                "reuse",
                Definition,
                Shape::Text(Text::Date),
                "A day: responses from before it do not count, and are asked for again. Without it, all count.",
            ),
        ],
        ABOUT,
    ],
    groups: &[],
};

pub static PRICE: Table = Table {
    sections: &[&[
        key("input", Description, RATE, "What a million tokens of the messages cost.").required(),
        key("output", Description, RATE, "What a million tokens of the reply cost.").required(),
    ]],
    groups: &[],
};

pub static LIMITS: Table = Table {
    sections: &[&[
        key("concurrency", Description, Shape::Int(1, 100_000), "Requests at once."),
        key("rpm", Description, COUNT, "Requests per minute."),
        key("tpm", Description, COUNT, "Tokens per minute."),
    ]],
    groups: &[],
};

pub static REPLY: Table = Table {
    sections: &[&[
        key("schema", Edge, Shape::Text(Text::Path), "A file with a JSON Schema; its contents enter the key."),
        key(
            "fields",
            Definition,
            Shape::Ordered(Text::Column, &Shape::Text(Text::Type)),
            "Fields and their types, all required, in the order in which the model is to write them.",
        ),
        key(
            "retries",
            Definition,
            Shape::Int(0, 10),
            "How often an invalid reply is sent back with what is wrong with it, before its row fails.",
        )
        .default("0"),
    ]],
    groups: &[Group {
        keys: &["schema", "fields"],
        required: Required::Yes,
        doc: "the form of a reply comes from one place",
    }],
};

pub static EXAMPLES: Table = Table {
    sections: &[&[
        key("from", Edge, REF, "The dataset, or a part of it: `name.part`.").required(),
        key("k", Definition, FEW, "So many rows.").required(),
        key(
            "pick",
            Definition,
            Shape::Text(Text::OneOf(&["first", "random", "similar"])),
            "`first`: the same for every row; `random`: others for every row; `similar`: those whose vectors are most like the row's.",
        )
        .default("\"first\""),
        key("by", Definition, COLUMN, "For `similar`: the column of vectors, in both."),
        key("seed", Definition, SEED, "For `random`: another seed picks others.").default("0"),
    ]],
    groups: &[],
};

pub static GENERATE: Table = Table {
    sections: &[&[
        key("prompt", Edge, NAME, "A prompt; its text enters the key, its name does not.").required(),
        key("model", Edge, NAME, "A model; what is a definition of it enters the key, its name does not.").required(),
        key(
            "into",
            Definition,
            COLUMN,
            "The column for the reply. It may be left out where the prompt says the form of the `reply`: then each field is a column.",
        ),
        key("n", Definition, FEW, "How many replies each row gets; each is a row.").default("1"),
        key(
            "sample",
            Definition,
            COLUMN,
            "The column that tells the replies to one row apart, from 0. With `n` above 1 it is called `sample` if left out.",
        ),
        key(
            "history",
            Definition,
            COLUMN,
            "A column with a dialogue so far, a list of `{role, content}`, that the prompt goes on with.",
        ),
        key("dialogue", Definition, COLUMN, "The column for the whole dialogue, the reply included."),
        key(
            "logprob",
            Definition,
            COLUMN,
            "The column for the mean log-probability of the reply's tokens. The model has to have `logprobs`.",
        ),
        key("examples", Definition, COLUMN, "The column for the examples that the row got."),
    ]],
    groups: &[],
};

pub static JUDGE: Table = Table {
    sections: &[&[
        key("prompt", Edge, NAME, "A prompt; its text enters the key, its name does not.").required(),
        key(
            "model",
            Edge,
            Shape::OneOrMore(&NAME),
            "A model, or several: each judges for itself. What is a definition of them enters the key, their names do not.",
        )
        .required(),
        key(
            "scale",
            Definition,
            Shape::Map(Text::Filled, &Shape::Number(Range::Any)),
            "Levels and their scores: `{ poor = 1, fair = 2, good = 3 }`.",
        ),
        key(
            "between",
            Definition,
            Shape::Pair(&COLUMN),
            "Two columns, of which the better one is wanted. The prompt sees them as `first` and `second`, and is asked in both orders.",
        ),
        key(
            "into",
            Definition,
            COLUMN,
            "The column for the score (the mean over the judges), or for the name of the better column.",
        )
        .required(),
        key("reason", Definition, COLUMN, "The column for the reasons that the judges gave."),
        key("votes", Definition, COLUMN, "The column for what each judge said."),
    ]],
    groups: &[Group {
        keys: &["scale", "between"],
        required: Required::Yes,
        doc: "a judge scores one text or compares two",
    }],
};

pub static EMBED: Table = Table {
    sections: &[&[
        key("text", Definition, SQL, "The text.").required(),
        key("model", Edge, NAME, "A model; what is a definition of it enters the key, its name does not."),
        key(
            "folder",
            Edge,
            Shape::Text(Text::Path),
            "A folder with a static model as model2vec saves it: `model.safetensors`, `tokenizer.json`, `config.json`. Their contents enter the \
             key; nothing is asked and nothing is paid for.",
        ),
        key("into", Definition, COLUMN, "The column for the vector.").required(),
    ]],
    groups: &[Group { keys: &["model", "folder"], required: Required::Yes, doc: "a vector comes from one model" }],
};

pub static NEAREST: Table = Table {
    sections: &[&[
        key("to", Edge, REF, "The other dataset, or a part of it: `name.part`.").required(),
        key("by", Definition, COLUMN, "The column of vectors, in both.").required(),
        key("their", Definition, COLUMN, "The column of vectors in the other dataset, where it is called differently."),
        key("k", Definition, FEW, "So many rows.").default("1"),
        key(
            "not_itself",
            Definition,
            Shape::True,
            "A row does not find the row of the same key: with `to` the dataset that it is of, its neighbours.",
        ),
        key(
            "columns",
            Definition,
            Shape::OneOrMore(&COLUMN),
            "The columns that are kept of what is found. Without it, those that identify a row.",
        ),
        key(
            "into",
            Definition,
            COLUMN,
            "The column for the list of what is found, the nearest first, each with its `similarity`.",
        )
        .required(),
    ]],
    groups: &[],
};
