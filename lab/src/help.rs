//! What `--help` prints.

pub const GENERAL: &str = "\
cargo lab: everything around the library, in one command

Usage: cargo lab [--no-browser] [--port N] [--no-warm]
       cargo lab COMMAND [OPTIONS]

With no command: sets up whatever is missing (half an hour the first time on 2 cores, seconds afterwards),
then opens JupyterLab on notebooks/ with the kernel \"Rust (Atomotion)\". Ctrl-C ends it.

  --no-browser      print the address only, for remote machines
  --port N          use this port (otherwise the first free one from 8888 up)
  --no-warm         keep no kernel ready: notebooks start in ten seconds instead of one, and 1 GB less is in use

Commands:
  setup             set up whatever is missing, and nothing else
  test [--full]     set up, then check and test everything, notebooks included
  analyse PATH      from your movie to a folder of figures and tables, without a notebook
  run NOTEBOOK      execute one notebook without a browser
  docs              the documentation as a site: notebooks and every public item
  bench kernel      measure the kernel beside a stock Rust kernel and Python's
  bench detect      measure how well defects are found, beside other programs
  bench dynamics    measure tracks and the Markov model, beside other programs
  bench classify    measure how fast and how well patches are sorted, beside scikit-learn and SciPy
  dataset NAME      make a dataset from its seed
  repl              the prelude in a terminal
  kernel install    put the kernel into your own Jupyter or VS Code (and kernel uninstall)
  doctor            show what is there, what is missing, and the fix for each

`cargo lab COMMAND --help` says more about each.

Set-up writes to .atomotion/ and the target folder in this clone, and to one cache folder:
$ATOMOTION_CACHE, else atomotion/ under $XDG_CACHE_HOME or ~/.cache.
";

pub const SETUP: &str = "\
Usage: cargo lab setup

Sets up whatever is missing: the Rust components, libtorch 2.11.0, a Python environment with JupyterLab,
the library and the kernel. What is there already is kept; an interrupted set-up goes on where it stopped.
The first time needs a network; later ones do not.
";

pub const TEST: &str = "\
Usage: cargo lab test [--full]

Sets up, then: formatting, clippy and rustdoc with warnings denied, all tests, and every notebook executed in
Jupyter. Goes on after a failure, ends with the time of each part, what was skipped and why, and one line of counts.

  --full            also soaks and statistics (sets ATOMOTION_FULL=1), and notebooks on the movies that a user sees;
                    without it they run on a small one (ATOMOTION_MOVIE=ws2-tiny)
";

pub const RUN: &str = "\
Usage: cargo lab run NOTEBOOK [--movie PATH] [--out DIR] [--timeout S]

Executes a notebook without a browser and writes NAME.executed.ipynb and NAME.html beside it. The notebook itself
is not changed. Fails if a cell fails or runs longer than the limit.

  --movie PATH      let it work on another movie, or on the project's of that name (sets ATOMOTION_MOVIE): for
                    notebooks/paper-figures.ipynb and notebooks/your-own-data.ipynb. All that it gives then goes to
                    results/NAME of the movie, or to --out: figures, tables, the executed notebook, its page, a manifest
  --out DIR         write the results there
  --timeout S       seconds each cell may take (600)
";

pub const ANALYSE: &str = concat!(
    "\
Usage: cargo lab analyse PATH [options]

Sets up what is missing, then runs `atomotion analyse PATH`: finds the defects of a movie, sorts them, follows them, and
writes a folder of figures, tables and a report to open in a browser. Ctrl-C stops it; the same command goes on where it
was. PATH is a file, a folder of images, a pattern in quotes, or ws2-tiny, ws2-beam or ws2-beam-recorded.

",
    include_str!("../../src/bin/analyse-options.txt")
);

pub const DOCS: &str = "\
Usage: cargo lab docs [--out DIR]

Builds the documentation as a site that opens without a server: a front page, every notebook, a page for users of
AtomAI, trackpy and scikit-learn, and every public item of the library. Notebooks show what they gave in the last
`cargo lab test`, else what is stored in them.

  --out DIR         write it there (.atomotion/site)
";

pub const BENCH: &str = "\
Usage: cargo lab bench kernel [--rounds N] [--without stock|python]... [--drop-caches] [--write]

Starts our kernel, stock evcxr_jupyter with the library as an ordinary `:dep`, and Python's ipykernel with AtomAI, and
runs the same cells in each, in turn; prints how long everything took, where the time went, and the memory. What is
compared with is installed first, into folders of its own under the cache folder: half an hour and 10 GB the first
time. A round takes about 3 minutes. Leave the machine alone meanwhile.

  --rounds N        measure N times (3)
  --without PEER    leave `stock` or `python` out
  --drop-caches     empty the page cache before every start (needs root)
  --write           put the tables into benches/README.md

Usage: cargo lab bench detect [--seeds N] [--minutes N] [--movies N] [--within N] [--without peers] [--write]

Measures how well defects are found in simulated movies, whose truth is known, beside the limit that the noise sets and
beside other programs. All of it takes a day; ours alone three hours. Results are kept under .atomotion/bench by what they
depend on: a run that was stopped goes on where it was, and with the rows and curves of benches/detect.json, which come
from the same sources. Other programs train with as many steps as this processor takes in the time, on an NVIDIA GPU where
there is one.

  --seeds N         seeds of every comparison with another program (3)
  --minutes N       longest training of another program (20)
  --movies N        movies of each kind (6 by default, with 200 or more of each group of defects)
  --within N        begin nothing new after N minutes: tables of what there is, and what is missing (0: at once)
  --without peers   ours alone
  --write           put the tables into benches/README.md, rows and curves into benches/detect.json

Usage: cargo lab bench dynamics [--seed N] [--movies N] [--without atomai] [--write]

Measures linking beside trackpy and AtomAI, forward-backward beside hmmlearn, and what the Markov model finds and says in
simulated movies whose truth is known, beside baselines and the limits that the noise sets. Takes about 10 minutes once the
others are installed.

  --seed N          of the movies (from the clock, so that none was seen before)
  --movies N        movies of each kind (5)
  --without atomai  leave AtomAI out, which is 3 GB to install
  --write           put the tables into benches/README.md

Usage: cargo lab bench classify [--many N] [--write]

Sorts the same patches of simulated movies by the library, scikit-learn and SciPy, one after the other, and checks that the
answers agree. About ten minutes. scikit-learn is installed first, into a folder of its own under the cache folder.

  --many N          patches of the largest set (100000); 0 leaves it out
  --write           put the tables into benches/README.md
";

pub const DATASET: &str = "\
Usage: cargo lab dataset NAME

Makes one of the project's movies from its seed, with its truth, in datasets/ of the cache folder, where
`Movie::dataset(\"NAME\")` finds it; the same bytes each time, checked against the manifest. ws2-beam, ws2-beam-recorded
and ws2-tiny are in the repository already; ws2-beam-full and ws2-beam-recorded-full have frames of 512 x 512 pixels.
";

pub const REPL: &str = "\
Usage: cargo lab repl

The prelude in a terminal: a Rust prompt with the library loaded. Ctrl-D leaves it.
";

pub const KERNEL: &str = "\
Usage: cargo lab kernel install [--user | --prefix DIR]
       cargo lab kernel uninstall [--user | --prefix DIR]

Puts the kernel \"Rust (Atomotion)\" where your own Jupyter or VS Code finds it, or takes it away again.
The kernel runs from this clone: install it again when the clone has moved.

  --user            for your user (the default)
  --prefix DIR      for one environment, such as a virtual environment's folder
";

pub const DOCTOR: &str = "\
Usage: cargo lab doctor

A table of what Atomotion needs and what is there, with the fix for each line that fails. Changes nothing.
Exits with 1 if anything is missing.
";
