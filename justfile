# Every test.
test:
    ./scripts/test

# The main job on this machine.
demo:
    cargo run --release -- demo

# Lints as the tests run them.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
