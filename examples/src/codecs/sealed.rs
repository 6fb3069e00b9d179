//! Seals what another codec writes. Needs `chacha20poly1305` with its feature `zeroize`.
//! Errors tell what to look for, never anything of the plaintext or of a key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use chacha20poly1305::aead::{Aead, Generate, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use event_bus_core::{Bytes, Channel, Codec, CodecError, Envelope, Error, ErrorKind, Json};

/// Encrypts and authenticates each message, so that only holders of the key read it, and nobody else can write one
/// or move it to another channel. Whatever does not open is [`Notice::Undecodable`](event_bus_core::Notice).
///
/// On the wire: version (1 byte), key id (4, big endian), nonce (24), ciphertext, tag (16). The tag also covers
/// version, key id and the full name of the channel.
///
/// # What it does not do
/// - A message that is published again **on its own channel** opens again. If that matters, the event needs a number.
/// - Channel names, sizes and times are in the clear: put no secret into a channel key.
/// - The marker that stands for an oversized event is known before any codec: it shows both sizes, and whoever may
///   publish can forge it. `Oversize::Reject` sends none.
/// - All who hold a key can write as each other. Keys are wiped from memory when the codec is dropped, events are not.
///
/// ```
/// # use event_bus_core::{Error, MemoryTransport};
/// # use event_bus_examples::{CredentialsChangedBus, codecs::{KeyRing, Sealed}};
/// # let (old, new) = ([1; 32], [2; 32]);
/// let keys = KeyRing::new(8, [(7, &old), (8, &new)])?;
/// let bus = CredentialsChangedBus::with_codec(MemoryTransport::new(), Sealed::new(keys)).build()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sealed<C = Json> {
    inner: C,
    keys: KeyRing,
}

impl Sealed {
    /// Seals JSON.
    #[must_use]
    pub fn new(keys: KeyRing) -> Self {
        Self::around(Json, keys)
    }
}

impl<C> Sealed<C> {
    /// Seals what `inner` writes.
    #[must_use]
    pub fn around(inner: C, keys: KeyRing) -> Self {
        Self { inner, keys }
    }
}

impl<E, C: Codec<E>> Codec<E> for Sealed<C> {
    fn encode(&self, channel: &Channel, envelope: &Envelope<&E>) -> Result<Bytes, CodecError> {
        let plaintext = self.inner.encode(channel, envelope)?;
        self.keys.seal(channel, &plaintext)
    }

    fn decode(&self, channel: &Channel, wire: &Bytes) -> Result<Envelope<E>, CodecError> {
        let plaintext = self.keys.open(channel, wire)?;
        self.inner.decode(channel, &plaintext)
    }

    // `ignores_channel` stays false: an event for several channels is sealed for each.
}

/// The keys of a codec. Each has an id, which travels with the messages; one seals, all open.
///
/// Keys change in three steps, each on all services before the next: add the new key, seal with it, remove the old.
#[derive(Clone)]
pub struct KeyRing {
    sealing: (u32, Cipher),
    opening: BTreeMap<u32, Cipher>,
}

/// Its nonces are long enough to be drawn at random by any number of publishers that share a key; with the 12 bytes of
/// AES-GCM they could meet. It also needs no AES hardware to be fast and to run in constant time.
type Cipher = XChaCha20Poly1305;

impl KeyRing {
    /// A ring with `keys`, of which the one with the id `sealing` seals. A key is 32 random bytes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if an id stands for two keys, or `sealing` for none.
    pub fn new<'a>(sealing: u32, keys: impl IntoIterator<Item = (u32, &'a [u8; 32])>) -> Result<Self, Error> {
        let mut opening = BTreeMap::new();
        for (id, key) in keys {
            match opening.entry(id) {
                Entry::Vacant(entry) => entry.insert(Cipher::new(key.into())),
                Entry::Occupied(_) => return Err(invalid(format!("the key id {id} stands for two keys"))),
            };
        }
        match opening.get(&sealing).cloned() {
            Some(cipher) => Ok(Self { sealing: (sealing, cipher), opening }),
            None => Err(invalid(format!("the key {sealing}, which should seal, is not on the ring"))),
        }
    }

    fn seal(&self, channel: &Channel, plaintext: &[u8]) -> Result<Bytes, CodecError> {
        let (id, cipher) = &self.sealing;
        let header = header(*id);
        let nonce = XNonce::try_generate()
            .map_err(|error| CodecError::new("the system has no random nonce to give").with_source(error))?;
        let bound = bound_to(header, channel);
        let ciphertext = cipher
            .encrypt(&nonce, Payload { msg: plaintext, aad: &bound })
            .map_err(|_| CodecError::new("the message is too long to be sealed"))?;
        Ok([&header[..], &nonce, &ciphertext].concat().into())
    }

    fn open(&self, channel: &Channel, wire: &[u8]) -> Result<Bytes, CodecError> {
        let cut_off = || CodecError::new("the sealed message is cut off");
        let (&header, rest) = wire.split_first_chunk::<HEADER_BYTES>().ok_or_else(cut_off)?;
        let [version, id @ ..] = header;
        if version != VERSION {
            return Err(CodecError::new(format!("this is no sealed message of version {VERSION}")));
        }
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(cut_off)?;
        let id = u32::from_be_bytes(id);
        let Some(cipher) = self.opening.get(&id) else {
            return Err(CodecError::new(format!("sealed with the key {id}, which is not on the ring")));
        };
        let bound = bound_to(header, channel);
        match cipher.decrypt(nonce.into(), Payload { msg: ciphertext, aad: &bound }) {
            Ok(plaintext) => Ok(plaintext.into()),
            // Which of these it was, nobody can say.
            Err(_) => Err(CodecError::new(
                "the seal does not hold: another key, another channel, or changed on the way",
            )),
        }
    }
}

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + size_of::<u32>();
const NONCE_BYTES: usize = size_of::<XNonce>();

fn header(key_id: u32) -> [u8; HEADER_BYTES] {
    let mut header = [VERSION; HEADER_BYTES];
    header[1..].copy_from_slice(&key_id.to_be_bytes());
    header
}

/// What the tag covers besides the message. The header has a fixed length, so that no two pairs look alike.
fn bound_to(header: [u8; HEADER_BYTES], channel: &Channel) -> Vec<u8> {
    [&header, channel.as_str().as_bytes()].concat()
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, text)
}

impl fmt::Debug for KeyRing {
    /// The ids; never a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("sealing", &self.sealing.0)
            .field("opening", &self.opening.keys())
            .finish_non_exhaustive()
    }
}
