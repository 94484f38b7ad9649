import Migrations
import Testing

@testable import PostgresBackend

@Suite struct SQLScriptTests {
    @Test func `commands end at semicolons outside of quotes and comments`() {
        let script = """
            -- First; a comment.
            SELECT 'a;''b', "c;d" /* ; */; -- between

            CREATE FUNCTION f() AS $$ BEGIN; RETURN $1; END $$;
            DO $tag$ SELECT $$;$$; $tag$ ;
            ;SELECT $1
            """
        #expect(
            SQLScript.commands(of: script) == [
                "SELECT 'a;''b', \"c;d\" /* ; */", "CREATE FUNCTION f() AS $$ BEGIN; RETURN $1; END $$",
                "DO $tag$ SELECT $$;$$; $tag$ ", "SELECT $1",
            ])
        #expect(SQLScript.commands(of: "-- nothing\n").isEmpty)
        // An open quote is the server's to refuse.
        #expect(SQLScript.commands(of: "SELECT 'a; b") == ["SELECT 'a; b"])
    }

    @Test func `every migration is divided into commands that begin with a word of SQL`() {
        for migration in Migration.all {
            for command in SQLScript.commands(of: migration.sql) {
                #expect(
                    command.contains(#/^(?:CREATE|ALTER|DROP|UPDATE|INSERT|COMMENT|DELETE|GRANT|DO) /#),
                    "\(command.prefix(60))")
            }
        }
    }
}
