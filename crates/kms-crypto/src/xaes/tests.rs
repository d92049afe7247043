use super::*;

fn seal(key: [u8; KEY_LEN], nonce: [u8; NONCE_LEN], associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let nonce = Nonce {
        key_half: nonce[..12].try_into().unwrap(),
        message_half: nonce[12..].try_into().unwrap(),
    };
    let cipher = Xaes256Gcm::new(&Zeroizing::new(key));
    let mut sealed = plaintext.to_vec();
    let tag = cipher.seal(&nonce, associated, &mut sealed);
    sealed.extend_from_slice(tag.as_ref());

    let mut opened = sealed.clone();
    let length = cipher.open(&nonce, associated, &mut opened).unwrap();
    assert_eq!(&opened[..length], plaintext);
    sealed
}

/// Both vectors of the specification: in the first, the CMAC subkey comes out of a plain shift, in the second it is reduced.
#[test]
fn the_vectors_of_the_specification() {
    let nonce = *b"ABCDEFGHIJKLMNOPQRSTUVWX";
    assert_eq!(
        hex::encode(seal([1; 32], nonce, b"", b"XAES-256-GCM")),
        "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"
    );
    assert_eq!(
        hex::encode(seal([3; 32], nonce, b"c2sp.org/XAES-256-GCM", b"XAES-256-GCM")),
        "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"
    );
}

/// The specification's accumulated test: keys, nonces, plaintexts and associated data of every length up to 255 come from one
/// SHAKE-128 stream, every ciphertext goes into another.
#[test]
fn ten_thousand_messages_of_the_specification() {
    let mut random = Shake128::default();
    let mut hash = Shake128::default();
    for _message in 0..10_000 {
        let key = random.read::<32>();
        let nonce = random.read::<24>();
        let plaintext = random.read_vector();
        let associated = random.read_vector();
        hash.absorb(&seal(key, nonce, &associated, &plaintext));
    }
    assert_eq!(
        hex::encode(hash.read::<32>()),
        "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
    );
}

#[test]
fn the_test_generator_is_shake_128() {
    assert_eq!(hex::encode(Shake128::default().read::<16>()), "7f9c2ba4e88f827d616045507605853e");
    let mut abc = Shake128::default();
    abc.absorb(b"abc");
    assert_eq!(hex::encode(abc.read::<16>()), "5881092dd818bf5cf8a3ddb793fbcba7");
}

/// SHAKE-128 (FIPS 202), which the library does not offer; for the accumulated test alone.
#[derive(Default)]
struct Shake128 {
    state: [u64; 25],
    position: usize,
    squeezing: bool,
}

impl Shake128 {
    const RATE: usize = 168;

    fn absorb(&mut self, bytes: &[u8]) {
        assert!(!self.squeezing);
        for byte in bytes {
            self.mix(self.position, *byte);
            self.position += 1;
            if self.position == Self::RATE {
                self.permute();
                self.position = 0;
            }
        }
    }

    fn next(&mut self) -> u8 {
        if !self.squeezing {
            self.mix(self.position, 0x1f);
            self.mix(Self::RATE - 1, 0x80);
            self.squeezing = true;
            self.position = Self::RATE;
        }
        if self.position == Self::RATE {
            self.permute();
            self.position = 0;
        }
        let byte = self.state[self.position / 8].to_le_bytes()[self.position % 8];
        self.position += 1;
        byte
    }

    fn read<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_index| self.next())
    }

    fn read_vector(&mut self) -> Vec<u8> {
        let length = self.next();
        (0..length).map(|_index| self.next()).collect()
    }

    fn mix(&mut self, position: usize, byte: u8) {
        self.state[position / 8] ^= u64::from(byte) << (8 * (position % 8));
    }

    fn permute(&mut self) {
        // The round constants come from the linear feedback shift register of FIPS 202, section 3.2.5.
        let mut register = 1_u8;
        for _round in 0..24 {
            // theta
            let columns: [u64; 5] = std::array::from_fn(|x| (0..5).fold(0, |parity, y| parity ^ self.state[x + 5 * y]));
            for (index, lane) in self.state.iter_mut().enumerate() {
                *lane ^= columns[(index + 4) % 5] ^ columns[(index % 5 + 1) % 5].rotate_left(1);
            }
            // rho and pi
            let (mut x, mut y) = (1, 0);
            let mut moved = self.state[1];
            for step in 0..24 {
                (x, y) = (y, (2 * x + 3 * y) % 5);
                moved = std::mem::replace(&mut self.state[x + 5 * y], moved.rotate_left((step + 1) * (step + 2) / 2 % 64));
            }
            // chi
            for row in self.state.chunks_mut(5) {
                let old: [u64; 5] = std::array::from_fn(|x| row[x]);
                for (x, lane) in row.iter_mut().enumerate() {
                    *lane ^= !old[(x + 1) % 5] & old[(x + 2) % 5];
                }
            }
            // iota
            for bit in 0..7 {
                if register & 1 == 1 {
                    self.state[0] ^= 1 << ((1 << bit) - 1);
                }
                register = (register << 1) ^ (if register & 0x80 == 0 { 0 } else { 0x71 });
            }
        }
    }
}
