//! Bytes of any origin never make a decoder panic, and what was encoded comes back.
//!
//! 10,000 cases each; more by `PROPTEST_CASES`.

use pgbackup_wire::{
    ChunkId, Command, CutSizes, Cutter, FrameKind, Hello, Reply, Summary,
    frame::{self, HEADER_BYTES, Header, Sequence},
    payload, text,
};
use proptest::prelude::*;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = payload::read_message::<Command>(&bytes);
        let _ = payload::read_message::<Reply>(&bytes);
        let _ = payload::read_message::<Hello>(&bytes);
        let _ = payload::read_message::<Summary>(&bytes);
        let _ = payload::read_blob(&bytes);
        let _ = payload::read_known(&bytes);
        let _ = payload::read_credit(&bytes);
    }

    #[test]
    fn a_message_that_was_damaged_is_a_message_or_an_error(
        sql in ".{0,80}", row in proptest::collection::vec(any::<Option<Vec<u8>>>(), 0..6),
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let reply = Reply::Rows { columns: vec![sql], rows: vec![row] };
        let mut out = Vec::new();
        payload::write_message(&mut out, &reply).unwrap();
        prop_assert_eq!(payload::read_message::<Reply>(&out).unwrap(), reply);
        let at = at.index(out.len());
        out[at] = byte;
        let _ = payload::read_message::<Reply>(&out);
        out.truncate(at);
        let _ = payload::read_message::<Reply>(&out);
    }

    #[test]
    fn any_bytes_of_a_server_come_back_from_the_text_that_stands_for_them(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let shown = text::from_bytes(&bytes);
        let back = text::to_bytes(&shown).into_owned();
        prop_assert_eq!(&back, &bytes);
        prop_assert_eq!(text::from_bytes(&back).into_owned(), shown.into_owned());
    }

    #[test]
    fn any_text_of_a_server_comes_back(name in "\\PC{0,20}|[\u{ef70}-\u{f00f}]{0,8}") {
        let back = text::to_bytes(&text::from_bytes(name.as_bytes())).into_owned();
        prop_assert_eq!(back, name.into_bytes());
    }

    #[test]
    fn any_header_is_a_frame_of_bounded_length_or_an_error(front in any::<[u8; HEADER_BYTES]>()) {
        if let Ok(header) = Header::decode(&front) {
            prop_assert!(header.length <= pgbackup_wire::MAX_PAYLOAD);
        }
        let mut body = front.to_vec();
        prop_assert!(Sequence::default().verify(&front, &mut body).is_err());
    }

    #[test]
    fn a_frame_comes_back_whole(channel in any::<u32>(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let out = frame::encode(FrameKind::Data, channel, &bytes).unwrap();
        let (front, body) = out.split_first_chunk().unwrap();
        let header = Header::decode(front).unwrap();
        let mut body = body.to_vec();
        Sequence::default().verify(front, &mut body).unwrap();
        prop_assert_eq!((header.channel, header.length), (channel, bytes.len()));
        prop_assert_eq!(body, bytes);
    }

    #[test]
    fn the_chunks_of_a_stream_are_the_stream_however_it_came(
        text in proptest::collection::vec(any::<u8>(), 0..3000),
        pieces in proptest::collection::vec(1..700_usize, 1..9),
    ) {
        let sizes = CutSizes { min: 64, average: 256, max: 1024 };
        let cut = |pieces: &[usize]| {
            let (mut cutter, mut chunks) = (Cutter::new(sizes).unwrap(), Vec::new());
            let mut each = |chunk: &[u8]| { chunks.push(chunk.to_vec()); Ok::<(), ()>(()) };
            let (mut rest, mut turn) = (&text[..], pieces.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*turn.next().unwrap()));
                cutter.push(now, &mut each).unwrap();
                rest = later;
            }
            cutter.finish(&mut each).unwrap();
            chunks
        };
        let chunks = cut(&pieces);
        prop_assert_eq!(&chunks, &cut(&[text.len().max(1)]));
        prop_assert_eq!(chunks.concat(), text);
        prop_assert!(chunks.iter().all(|chunk| chunk.len() <= 1024));
        let mut out = Vec::new();
        payload::write_chunk(&mut out, &ChunkId::of(b"x"), 1);
        prop_assert!(payload::read_known(&out).is_ok());
    }
}
