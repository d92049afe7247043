use crate::support::on_each_engine;

#[test]
fn a_closed_store_begins_nothing() {
    on_each_engine(async |world| {
        world.store.clone().close().await.unwrap();
        assert!(world.store.write().await.is_err());
        assert!(world.store.ping().await.is_err());
    });
}
