//! The kept corpus of the fuzz targets, as it is and changed at random. The seed is printed; `LOOPGATE_SEED` sets it,
//! and `LOOPGATE_MUTATIONS` how many changed inputs each target gets.

#![allow(clippy::disallowed_methods, reason = "the bans are for the product")]
#![allow(clippy::panic, clippy::print_stdout, clippy::indexing_slicing, reason = "a test")]

mod fuzzed;

use std::path::{Path, PathBuf};
use std::{env, fs, panic};

use fastrand::Rng;
use fuzzed::{TARGETS, Target};

#[test]
fn nf_tables() {
    corpus("nf_tables");
}

#[test]
fn ip_sets() {
    corpus("ip_sets");
}

#[test]
fn xt() {
    corpus("xt");
}

#[test]
fn legacy() {
    corpus("legacy");
}

#[test]
fn iptables_save() {
    corpus("iptables_save");
}

#[test]
fn nft_json() {
    corpus("nft_json");
}

#[test]
fn evaluate() {
    corpus("evaluate");
}

#[test]
fn every_target_has_a_corpus_and_a_file_for_fuzzers() {
    for (name, _) in TARGETS {
        assert!(!inputs(name).is_empty(), "fuzz/corpus/{name} is empty");
        assert!(fuzz().join(format!("fuzz_targets/{name}.rs")).is_file(), "{name}");
    }
}

/// Small inputs are made of larger ones too: that is how long each may get, in bytes.
const LONGEST: usize = 16 << 10;

fn corpus(wanted: &str) {
    let Some(target) = TARGETS.iter().find(|(name, _)| *name == wanted) else { panic!("no target {wanted}") };
    let inputs = inputs(wanted);
    for input in &inputs {
        run(*target, input, "from the corpus");
    }
    let seed = setting("LOOPGATE_SEED").unwrap_or(0x100_b9a7e);
    println!("{wanted}: LOOPGATE_SEED={seed}, {} inputs", inputs.len());
    let mut random = Rng::with_seed(seed);
    for number in 0..setting("LOOPGATE_MUTATIONS").unwrap_or(1000) {
        let input = mutated(&inputs, &mut random);
        run(*target, &input, &format!("LOOPGATE_SEED={seed}, number {number}"));
    }
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Runs a target, and says with which input it failed.
fn run((name, target): Target, input: &[u8], origin: &str) {
    if panic::catch_unwind(|| target(input)).is_err() {
        let file = env::temp_dir().join(format!("loopgate-fuzz-{name}-{}", std::process::id()));
        let kept = fs::write(&file, input).map_or_else(|error| error.to_string(), |()| file.display().to_string());
        panic!("{name} fails on an input ({origin}), kept as {kept}");
    }
}

fn mutated(inputs: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let pick = |random: &mut Rng| &inputs[random.usize(..inputs.len())];
    let mut input = pick(random).clone();
    input.truncate(LONGEST);
    for _ in 0..random.usize(1..6) {
        let other = pick(random);
        change(&mut input, other, random);
    }
    input.truncate(LONGEST);
    input
}

/// Numbers at which things change.
const EDGES: [u8; 8] = [0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff];

fn change(input: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    let (from, to) = part(input.len(), random);
    match random.u8(0..7) {
        0 => input.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << random.u8(0..8)),
        1 => input.iter_mut().skip(from).take(1).for_each(|byte| *byte = EDGES[random.usize(..EDGES.len())]),
        2 => input.iter_mut().skip(from).take(1).for_each(|byte| *byte = random.u8(..)),
        3 => drop(input.drain(from..to)),
        4 => input.truncate(from),
        5 => {
            let copy = input[from..to].to_vec();
            input.splice(to..to, copy);
        }
        _ => {
            let (first, last) = part(other.len(), random);
            input.splice(from..to, other[first..last].iter().copied());
        }
    }
}

/// A part of something, mostly a short one.
fn part(length: usize, random: &mut Rng) -> (usize, usize) {
    let from = random.usize(0..=length);
    let most = if random.bool() { 32 } else { length };
    (from, (from + random.usize(0..=most)).min(length))
}

/// The files of a target, in the order of their names.
fn inputs(name: &str) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    let read = |path: &PathBuf| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    paths.iter().map(read).collect()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}
