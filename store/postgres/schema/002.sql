-- Who works on the database, and when each was last heard of by the server's clock. What is
-- here is of the moment only: nothing depends on its surviving a crash of the server.
CREATE UNLOGGED TABLE dragoman.replicas (
	replica text COLLATE "C" PRIMARY KEY,
	seen    timestamptz NOT NULL
);

-- One row for each turn that runs or waits, in the order of their arrival. name stands for
-- its conversation, nonce is chosen by whoever waits.
CREATE UNLOGGED TABLE dragoman.tickets (
	name    text COLLATE "C" NOT NULL,
	ticket  bigint GENERATED ALWAYS AS IDENTITY,
	nonce   bigint NOT NULL,
	replica text COLLATE "C" NOT NULL,
	PRIMARY KEY (name, ticket)
);
