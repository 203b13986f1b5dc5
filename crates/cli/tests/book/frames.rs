//! The frames of STOMP in blocks of `text`, in which `^@` ends each of them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::blocks::{Block, blocks};
use super::shell::{PATIENCE, Shell};

/// What clients send.
const COMMANDS: &[&str] = &["CONNECT", "SUBSCRIBE", "SEND"];

/// Sends all that a client sends in the block, each with a receipt, and waits for those.
///
/// # Panics
///
/// If the server has an ERROR to say about it.
fn play(block: &Block, stomp: &str) {
    let mut stream = TcpStream::connect(stomp).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut frames: Vec<&str> = block.code.split("^@").map(str::trim_start).collect();
    frames.retain(|frame| COMMANDS.iter().any(|command| frame.starts_with(command)));
    if !frames.iter().any(|frame| frame.starts_with("CONNECT")) {
        stream.write_all(b"CONNECT\nlogin:ann\n\n\0").unwrap();
    }
    let mut awaited = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        let (command, rest) = frame.split_once('\n').unwrap();
        if command == "CONNECT" {
            write!(stream, "{frame}\0").unwrap();
        } else {
            // Of a header that is there twice the first one counts.
            awaited.push(format!("receipt-id:number-{number}"));
            write!(stream, "{command}\nreceipt:number-{number}\n{rest}\0").unwrap();
        }
    }
    let mut reader = BufReader::new(stream);
    while let Some(receipt) = awaited.first() {
        let mut answer = Vec::new();
        reader.read_until(0, &mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let is_fine = !answer.is_empty() && !answer.trim_start().starts_with("ERROR");
        assert!(is_fine, "{}: {answer}", block.place);
        if answer.lines().any(|line| line == receipt) {
            awaited.remove(0);
        }
    }
}

#[test]
fn every_frame_of_a_client_is_understood() {
    let commands = blocks("sh");
    let with_frames = blocks("text").into_iter().filter(|block| block.code.contains("^@"));
    for block in with_frames {
        let mut shell = Shell::new();
        let same = commands.iter().filter(|other| other.document() == block.document());
        let serve =
            same.flat_map(Block::command_lines).find(|line| line.starts_with("tidings serve"));
        shell.run(&serve.unwrap_or_else(|| "tidings serve".to_owned()));
        play(&block, &shell.stomp());
    }
}
