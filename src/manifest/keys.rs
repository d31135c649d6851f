//! The table of keys: the whole language as data. The checker, the words of a definition, the JSON Schema and
//! `docs/manifest.md` are all made from it, so they cannot disagree.

use super::alarm::ALARM;
use super::alike::{DECONTAMINATE, DEDUP};
use super::asking::{BUDGET, EMBED, EXAMPLES, GENERATE, JUDGE, MODEL, NEAREST, REPLY};
use super::augment::AUGMENT;
use super::choosing::{MIX, SAMPLE, SPLIT};
use super::contract::TEST;
use super::joining::{EXPLODE, JOIN, QUERY};
use super::lm::{LM, PERPLEXITY};
use super::running::RUN;
use super::shape::Role::{Definition, Description, Edge};
use super::shape::{Group, Key, Range, Required, Shape, Table, Text, key};
use super::spans::DEDUP_SPANS;
use super::tokens::TOKENS;

/// A kind of node, `[kind.name]`, or one of the tables that describe the project as a whole.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    /// What stands under `[name]`.
    pub holds: Holds,
    pub doc: &'static str,
    /// A manifest that shows it.
    pub example: &'static str,
}

/// What stands under the name of a kind.
#[derive(Debug)]
pub enum Holds {
    /// Keys: `[project]`.
    Keys(&'static Table),
    /// Named values: `[params]`.
    Values,
    /// Named overlays: `[profile.NAME]`.
    Overlays,
    /// Named nodes: `[kind.NAME]`.
    Nodes(&'static Table),
}

/// Returns the kind called `name`.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

const ANY_INT: Shape = Shape::Int(i64::MIN, i64::MAX);
pub(super) const COUNT: Shape = Shape::Int(1, i64::MAX);
/// More rows from nothing than this would be a slip of the finger: even their list of row groups would fill the memory.
const MADE: Shape = Shape::Int(1, 10_000_000_000);
pub(super) const SEED: Shape = Shape::Int(0, i64::MAX);
pub(super) const SQL: Shape = Shape::Text(Text::Sql);
pub(super) const COLUMN: Shape = Shape::Text(Text::Column);
pub(super) const NAME: Shape = Shape::Text(Text::Name);
pub(super) const REF: Shape = Shape::Text(Text::Ref);
const PLAIN: Shape = Shape::Text(Text::Plain);

/// The formats of files that are read.
pub const FORMATS: &[&str] = &["jsonl", "json", "csv", "tsv", "parquet", "arrow", "text", "lines"];
/// The formats of files that are written.
pub const EXPORTS: &[&str] = &["jsonl", "jsonl.gz", "jsonl.zst", "csv", "tsv", "parquet", "arrow"];

/// What any node may say of itself.
pub(super) const ABOUT: &[Key] = &[
    key("title", Description, PLAIN, "A short name for people."),
    key("doc", Description, PLAIN, "What it is for."),
    key("tags", Description, Shape::List(&PLAIN), "Words to select nodes by."),
];

pub static PROJECT: Table = Table {
    sections: &[&[
        key("name", Description, PLAIN, "The project's name."),
        key(
            "include",
            Edge,
            Shape::List(&Shape::Text(Text::Pattern)),
            "More files of declarations: patterns relative to the project, with `*`, `?` and `**`. Only the main file may include.",
        ),
        key(
            "responses",
            Edge,
            Shape::List(&Shape::Text(Text::Pattern)),
            "Files of recorded responses, `.jsonl` or `.jsonl.zst`: what they hold is not asked again. Patterns relative to the project.",
        ),
    ]],
    groups: &[],
};

/// `steps`, each step that may stand in its place, and `run`, which is a maker there.
static STEP_NAMES: [&str; 21] = [
    "steps",
    "where",
    "filter",
    "columns",
    "select",
    "render",
    "generate",
    "judge",
    "embed",
    "nearest",
    "tokens",
    "perplexity",
    "explode",
    "join",
    "augment",
    "dedup",
    "dedup_spans",
    "decontaminate",
    "sample",
    "split",
    "run",
];

/// What makes the steps of a dataset.
const INLINE: &[&str] = {
    let [inline @ .., _run] = &STEP_NAMES;
    inline
};

/// What an element of `steps` may be.
const EACH: &[&str] = {
    let [_steps, each @ ..] = &STEP_NAMES;
    each
};

pub static DATASET: Table = Table {
    sections: &[MAKERS, FLOW, PURPOSE, STEPS, STEP, ABOUT],
    groups: &[
        Group {
            keys: &["files", "synth", "mix", "concat", "sql", "from"],
            required: Required::Unless("run"),
            doc: "a dataset has one maker",
        },
        Group { keys: INLINE, required: Required::No, doc: "a dataset has one step inline, or several in `steps`" },
    ],
};

/// The keys that make a dataset's first rows.
pub const MAKERS: &[Key] = &[
    key("files", Edge, Shape::OneOrMore(&Shape::Text(Text::Pattern)), "Maker: the rows of all files that match, in the order of their paths."),
    key(
        "format",
        Definition,
        Shape::Text(Text::OneOf(FORMATS)),
        "The format of the files. Without it the ending decides; `.gz` and `.zst` are read through.",
    )
    .with(&["files"]),
    key(
        "types",
        Definition,
        Shape::Map(Text::Column, &Shape::Text(Text::Type)),
        "Types of columns: `bool`, `int`, `float`, `string`, `date`, `timestamp`, `list<…>`. Other columns are inferred over all rows.",
    )
    .with(&["files"]),
    key("key", Definition, Shape::OneOrMore(&COLUMN), "The columns that identify a row. Without it, the row's content does.").with(&["files", "synth", "sql", "run"]),
    key("synth", Definition, Shape::Table(&SYNTH), "Maker: rows from nothing, one recipe per column."),
    key("mix", Definition, Shape::Table(&MIX), "Maker: rows of several datasets, by ratio."),
    key("concat", Definition, Shape::ListOr(&REF, &CONCAT), "Maker: the rows of several datasets, one after the other."),
    key(
        "sql",
        Edge,
        QUERY,
        "Maker: the rows of a query over datasets, in the SQL of SQLite: joins, windows, groups. Its text enters the key.",
    ),
    key("from", Edge, REF, "Maker: the rows of another dataset, or of a part of it: `name.part`."),
];

/// How a dataset's steps are run.
pub const FLOW: &[Key] = &[
    key(
        "rounds",
        Edge,
        Shape::Int(2, 100),
        "How often the steps are applied, each time to what came out of the time before. Each round is a dataset of its own: `NAME-round-1`, \
         `NAME-round-2`, …, and the last is `NAME`. Columns are never overwritten, so a `select` at the end has to bring the columns back under \
         the names that the first step reads: `select = [\"id\", \"better as question\"]`.",
    )
    .with(&["from"]),
    key(
        "max_failed",
        Definition,
        Shape::Part,
        "How many rows may fail: they cannot be read or computed, or a model gave no value for them. With more, the dataset is not published. A share is one of \
         the rows that come to a step.",
    )
    .default("0"),
];

/// What a dataset is for.
const PURPOSE: &[Key] = &[key(
    "role",
    Description,
    Shape::Text(Text::OneOf(&["evaluation"])),
    "`evaluation`: models are measured with it, so its texts should be in nothing that is exported to train them: a step `decontaminate = {}` \
     looks for them, and an export without one on its way is warned of.",
)];

const ONE_STEP: Shape = Shape::Table(&STEP_TABLE);
const STEPS: &[Key] =
    &[key("steps", Definition, Shape::List(&ONE_STEP), "Several steps in order, each a table with one step.")];

/// The steps.
pub const STEP: &[Key] = &[
    key("where", Definition, SQL, "Step: keep the rows for which this is true."),
    key(
        "filter",
        Definition,
        Shape::OneOrMore(&NAME),
        "Step: keep the rows that pass these filters. Dropped rows remember the first filter that they failed.",
    ),
    key(
        "columns",
        Definition,
        Shape::Map(Text::Column, &SQL),
        "Step: add columns. All read the rows as they were before.",
    ),
    key(
        "select",
        Definition,
        Shape::OneOrMore(&SQL),
        "Step: keep, rename and order columns: `id`, `question as q`, `* exclude (x)`.",
    ),
    key("render", Definition, Shape::Table(&RENDER), "Step: fill a template with each row, into a column."),
    key(
        "generate",
        Definition,
        Shape::Table(&GENERATE),
        "Step: ask a model about each row, and keep what it writes as columns.",
    ),
    key("judge", Definition, Shape::Table(&JUDGE), "Step: ask models for a verdict on each row."),
    key(
        "embed",
        Definition,
        Shape::Table(&EMBED),
        "Step: make a vector of a text, with a model at an endpoint or in a folder.",
    ),
    key(
        "nearest",
        Definition,
        Shape::Table(&NEAREST),
        "Step: find the rows of another dataset whose vectors are most like the row's own, by their cosine.",
    ),
    key("tokens", Definition, Shape::Table(&TOKENS), "Step: count the tokens of a text, by a tokenizer of yours."),
    key(
        "perplexity",
        Definition,
        Shape::Table(&PERPLEXITY),
        "Step: measure how unlikely a text is to a language model of another dataset's texts, or to a model at an endpoint. A text without words \
         has no perplexity: null. By `model`, a text of one token has none, and one that is null or empty fails its row.",
    ),
    key(
        "explode",
        Definition,
        EXPLODE,
        "Step: make each element of a list a row: the column of lists, or a table that says more. A row without elements is dropped.",
    ),
    key(
        "join",
        Definition,
        Shape::Table(&JOIN),
        "Step: join rows with those of another dataset that have the same key.",
    ),
    key("augment", Definition, Shape::Table(&AUGMENT), "Step: put noise into a text, or synonyms: a column beside it."),
    key("dedup", Definition, Shape::Table(&DEDUP), "Step: keep one of rows that are alike."),
    key(
        "dedup_spans",
        Definition,
        Shape::Table(&DEDUP_SPANS),
        "Step: take out of a text the lines, paragraphs or runs of words that stood before, in this row or another one.",
    ),
    key(
        "decontaminate",
        Definition,
        Shape::Table(&DECONTAMINATE),
        "Step: drop rows that have a run of words in common with an evaluation dataset.",
    ),
    key("sample", Definition, Shape::Table(&SAMPLE), "Step: keep some rows, chosen by their hash."),
    key(
        "split",
        Definition,
        Shape::Table(&SPLIT),
        "Step: divide the rows into parts, addressed as `name.part`. Must be the last step.",
    ),
    key(
        "run",
        Definition,
        Shape::Table(&RUN),
        "Step: let a program of yours make columns or rows. In a dataset without another maker: the maker, a program that writes the rows.",
    ),
];

pub static STEP_TABLE: Table = Table {
    sections: &[STEP],
    groups: &[Group { keys: EACH, required: Required::Yes, doc: "each element of `steps` is one step" }],
};

pub static SYNTH: Table = Table {
    sections: &[&[
        key("rows", Definition, MADE, "The number of rows.").required(),
        key("seed", Definition, SEED, "Another seed gives other values.").default("0"),
        key(
            "columns",
            Definition,
            Shape::Map(Text::Column, &Shape::Table(&RECIPE)),
            "A recipe for each column. They come in the order of their names.",
        )
        .required(),
    ]],
    groups: &[],
};

pub static RECIPE: Table = Table {
    sections: &[&[
        key("choice", Definition, Shape::List(&Shape::Scalar), "One of these values, all of one type."),
        key(
            "weights",
            Definition,
            Shape::List(&Shape::Number(Range::NotNegative)),
            "How often each choice comes, relative to the others. Without it all are alike.",
        )
        .with(&["choice"]),
        key("integer", Definition, Shape::Pair(&ANY_INT), "An integer between the two, both included."),
        key("float", Definition, Shape::Pair(&Shape::Number(Range::Any)), "A number between the two."),
        key(
            "normal",
            Definition,
            Shape::Pair(&Shape::Number(Range::Any)),
            "A number of the normal distribution: mean, standard deviation.",
        ),
        key("decimals", Definition, Shape::Int(0, 15), "Rounds to so many decimals.").with(&["float", "normal"]),
        key("bool", Definition, Shape::Number(Range::Probability), "True with this probability."),
        key("sequence", Definition, ANY_INT, "Counts from here."),
        key("step", Definition, ANY_INT, "By how much it counts.").default("1").with(&["sequence"]),
        key("name", Definition, Shape::Text(Text::OneOf(&["first", "last", "full"])), "A person's name."),
        key("date", Definition, Shape::Pair(&Shape::Text(Text::Date)), "A day between the two, both included."),
        key("uuid", Definition, Shape::True, "A UUID."),
        key("constant", Definition, Shape::Scalar, "This value in every row."),
    ]],
    groups: &[Group {
        keys: &["choice", "integer", "float", "normal", "bool", "sequence", "name", "date", "uuid", "constant"],
        required: Required::Yes,
        doc: "a column has one recipe",
    }],
};

pub static CONCAT: Table = Table {
    sections: &[&[
        key("of", Edge, Shape::List(&REF), "The datasets, in order.").required(),
        key("source", Definition, COLUMN, "A column for the name of the dataset that a row came from."),
    ]],
    groups: &[],
};

pub static RENDER: Table = Table {
    sections: &[&[
        key("prompt", Edge, NAME, "A prompt; its text enters the key, its name does not."),
        key("template", Definition, Shape::Text(Text::Template), "A Jinja template."),
        key("file", Edge, Shape::Text(Text::Path), "A file with a Jinja template."),
        key("into", Definition, COLUMN, "The column for the text.").required(),
    ]],
    groups: &[Group {
        keys: &["prompt", "template", "file"],
        required: Required::Yes,
        doc: "a text comes from one place",
    }],
};

pub static PROMPT: Table = Table {
    sections: &[
        &[
            key(
                "template",
                Definition,
                Shape::Text(Text::Template),
                "The text: a Jinja template. The columns that it reads are found by parsing it.",
            ),
            key("file", Edge, Shape::Text(Text::Path), "A file with the text; its contents enter the key."),
            key("system", Definition, Shape::Text(Text::Template), "The system message: a Jinja template."),
            key(
                "reply",
                Definition,
                Shape::Table(&REPLY),
                "The form of the reply, as JSON: it is asked for where the endpoint has the means, and checked in any case.",
            ),
            key(
                "examples",
                Definition,
                Shape::Table(&EXAMPLES),
                "Rows of another dataset, for the templates to show: the list `examples`.",
            ),
        ],
        ABOUT,
    ],
    groups: &[Group {
        keys: &["template", "file"],
        required: Required::Yes,
        doc: "a prompt's text comes from one place",
    }],
};

pub static FILTER: Table = Table {
    sections: &[
        &[
            key("where", Definition, SQL, "A row passes if this is true."),
            key(
                "use",
                Definition,
                Shape::Text(Text::OneOf(&super::ready::NAMES)),
                "The conditions of a published filter, as datatrove 0.10.1 has it. Each drops rows with a reason of its own, `NAME.reason`.",
            ),
            key("column", Definition, COLUMN, "The column of texts.").default("\"text\"").with(&["use"]),
            key(
                "with",
                Definition,
                Shape::Map(Text::Plain, &Shape::Scalar),
                "Parameters of the published filter, by their names, that are to be others than its own. `false` switches a condition off.",
            )
            .with(&["use"]),
        ],
        ABOUT,
    ],
    groups: &[Group { keys: &["where", "use"], required: Required::Yes, doc: "a filter is a condition of its own, or a ready one" }],
};

pub static METRIC: Table = Table {
    sections: &[
        &[
            key("on", Edge, Shape::OneOrMore(&REF), "The datasets to measure, each for itself.").required(),
            key("value", Definition, SQL, "An SQL aggregate: `avg(words)`, `count(distinct topic)`.").required(),
            key(
                "by",
                Definition,
                Shape::OneOrMore(&SQL),
                "Slices: one value per group of these columns or expressions.",
            ),
            key("where", Definition, SQL, "Measure only the rows for which this is true."),
            key(
                "alarm",
                Description,
                Shape::Table(&ALARM),
                "How far the value may move before a build says so, and what moved it.",
            ),
        ],
        ABOUT,
    ],
    groups: &[],
};

pub static EXPORT: Table = Table {
    sections: &[
        &[
            key("from", Edge, REF, "The dataset, or a part of it: `name.part`.").required(),
            key("to", Edge, Shape::Text(Text::Output), "The file to write, inside the project.").required(),
            key(
                "format",
                Definition,
                Shape::Text(Text::OneOf(EXPORTS)),
                "The format. Without it the ending of `to` decides.",
            ),
            key(
                "contaminated",
                Description,
                Shape::True,
                "Nobody need be told that no `decontaminate` step is on the way to this file.",
            ),
        ],
        ABOUT,
    ],
    groups: &[],
};

/// All kinds, in the order of the reference.
pub static KINDS: &[Kind] = &[
    Kind {
        name: "project",
        holds: Holds::Keys(&PROJECT),
        doc: "The project as a whole. It may be left out.",
        example: "[project]\nname = \"tutor\"\ninclude = [\"pipelines/*.toml\"]\nresponses = [\"responses/*.jsonl.zst\"]\n",
    },
    Kind {
        name: "params",
        holds: Holds::Values,
        doc: "Named strings, numbers and bools. `${params.NAME}` stands for the value inside any string of the manifest (template files \
              are left alone), and `\"${params.NAME}\"` alone also where a number is wanted. `$${` writes `${`, and `${{` is left to Jinja.",
        example: "[params]\nmin_words = 5\n\n[filter.long_enough]\nwhere = \"words >= ${params.min_words}\"\n",
    },
    Kind {
        name: "profile",
        holds: Holds::Overlays,
        doc: "An overlay: `--profile NAME` merges it onto the manifest, table by table; anything but a table is replaced. Several are merged in \
              the order given. `--set path.to.key=value` comes last.",
        example: "[params]\nmin_words = 5\n\n[dataset.people]\nsynth = { rows = 1000, columns = { words = { integer = [1, 20] } } }\n\
                  where = \"words >= ${params.min_words}\"\n\n[profile.quick]\nparams.min_words = 9\ndataset.people.synth.rows = 10\n",
    },
    Kind {
        name: "budget",
        holds: Holds::Keys(&BUDGET),
        doc: "What one build may spend. The worst case of a request is set aside before it is sent, so neither is passed, also across a crash.",
        example: "[budget]\nmoney = 5.0\nrequests = 10000\n",
    },
    Kind {
        name: "dataset",
        holds: Holds::Nodes(&DATASET),
        doc: "A table: one maker, then one step inline or several in `steps`.",
        example: "[dataset.seeds]\nfiles = \"data/seeds/*.jsonl\"\nkey = \"id\"\n\n\
                  [dataset.clean]\nfrom = \"seeds\"\nsteps = [\n  { columns = { words = \"word_count(question)\" } },\n  { where = \"words >= 5\" },\n  \
                  { dedup = { by = \"question\", method = \"normalised\" } },\n  { split = { parts = { train = 0.9, test = 0.1 } } },\n]\n\n\
                  [dataset.answers]\nfrom = \"clean.train\"\nmax_failed = \"2%\"\nsteps = [\n  \
                  { generate = { prompt = \"answer\", model = \"writer\", into = \"answer\", n = 4 } },\n  \
                  { judge = { prompt = \"grade\", model = [\"judge\", \"writer\"], scale = { wrong = 0, right = 1 }, into = \"grade\" } },\n  \
                  { embed = { text = \"question\", model = \"embedder\", into = \"vector\" } },\n  \
                  { nearest = { to = \"seeds\", by = \"vector\", k = 3, columns = [\"question\"], into = \"alike\" } },\n]\n\n\
                  [dataset.evolved]\nfrom = \"seeds\"\nrounds = 3\nsteps = [\n  \
                  { generate = { prompt = \"harder\", model = \"writer\", into = \"harder\" } },\n  \
                  { select = [\"id\", \"harder as question\"] },\n]\n\n\
                  [dataset.graded]\nfrom = \"answers\"\nsteps = [\n  \
                  { join = { with = \"seeds\", on = \"id\", columns = [\"answer as gold\"] } },\n  \
                  { explode = { column = \"alike\", into = \"near\", index = \"place\" } },\n]\n\n\
                  [dataset.topics]\nsql = \"select topic, count(*) as n, avg(grade) as grade from answers group by topic order by grade\"\n",
    },
    Kind {
        name: "prompt",
        holds: Holds::Nodes(&PROMPT),
        doc: "A text with places for columns.",
        example: "[prompt.answer]\nsystem = \"You are a patient teacher.\"\ntemplate = \"Solve step by step: {{ question }}\"\n\
                  reply = { fields = { reasoning = \"string\", final = \"float\" }, retries = 2 }\n\n\
                  [prompt.question]\nfile = \"prompts/question.md\"\nexamples = { from = \"gold\", k = 3, pick = \"similar\", by = \"vector\" }\n",
    },
    Kind {
        name: "model",
        holds: Holds::Nodes(&MODEL),
        doc: "A language model at an endpoint. What is said about the endpoint (where it is, its key, price and limits) is in no key: a response is \
              remembered under what was asked of which model, wherever it came from.",
        example: "[model.writer]\nprovider = \"openai\"\nurl = \"http://localhost:8000/v1\"\nname = \"Qwen/Qwen2.5-7B-Instruct\"\n\
                  temperature = 0.7\ntop_p = 0.95\nmax_tokens = 512\nbody = { min_p = 0.05 }\nprice = { input = 0.15, output = 0.60 }\n\
                  limits = { concurrency = 64, rpm = 3000, tpm = 400_000 }\n\n[model.judge]\nprovider = \"openai\"\n\
                  name = \"gpt-4.1-mini\"\ntemperature = 0\nmax_tokens = 1024\nkey = \"TEAM_KEY\"\nbatch = true\nreuse = 2026-01-01\n",
    },
    Kind {
        name: "lm",
        holds: Holds::Nodes(&LM),
        doc: "A language model of a dataset's texts, for the step `perplexity`: n-grams of words with modified Kneser-Ney smoothing, as KenLM makes them.",
        example: "[lm.english]\nfrom = \"reference\"\ncolumn = \"text\"\norder = 5\n\n\
                  [dataset.measured]\nfrom = \"clean\"\nperplexity = { lm = \"english\", column = \"text\", into = \"ppl\" }\n",
    },
    Kind {
        name: "filter",
        holds: Holds::Nodes(&FILTER),
        doc: "A named condition, or those of a published filter, for the step `filter`.",
        example: "[filter.long_enough]\nwhere = \"word_count(question) >= 5\"\n\n\
                  [filter.good]\nuse = \"gopher_quality\"\ncolumn = \"answer\"\nwith = { min_doc_words = 30 }\n",
    },
    Kind {
        name: "metric",
        holds: Holds::Nodes(&METRIC),
        doc: "A number about a dataset.",
        example: "[metric.accuracy]\non = [\"clean\", \"clean.test\"]\nvalue = \"avg(final = gold)\"\nby = [\"topic\"]\nalarm = { fall = \"5%\", versus = \"git:main\" }\n",
    },
    Kind {
        name: "test",
        holds: Holds::Nodes(&TEST),
        doc: "What a dataset has to be: conditions on its rows, and on the table as a whole. Exports of what is tested wait for it.",
        example: "[test.clean]\non = [\"clean\", \"clean.test\"]\nnot_null = [\"id\", \"question\"]\nunique = \"id\"\nrange = { words = [5, 500] }\n\
                  where = \"question like '%?'\"\nmax_failing = \"0.1%\"\nvalues = { \"avg(words)\" = [20, inf] }\nrows = [1000, inf]\n\
                  schema = { id = \"int\", question = \"string\" }\n\n\
                  [test.rate]\non = \"answers\"\nvalues = { \"avg(cast(ok as int))\" = [0.95, 1] }\nseverity = \"warning\"\n",
    },
    Kind {
        name: "export",
        holds: Holds::Nodes(&EXPORT),
        doc: "A file written from a dataset.",
        example: "[export.train]\nfrom = \"clean.train\"\nto = \"out/train.parquet\"\n",
    },
];
