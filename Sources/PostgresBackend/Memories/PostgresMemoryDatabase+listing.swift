public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    public func count(_ filter: MemoryFilter) async throws -> Int {
        try await call { deadline in
            try await self.read(self.countStatement(filter), deadline: deadline).singleRow().int(0)
        }
    }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await call { deadline in
            let list = self.layout == .spread ? SpreadSearchSQL.list(query) : SearchSQL.list(query)
            let statements = [list, self.countStatement(query.filter)]
            let results = try await self.read(
                query.filter.soleID == nil ? statements : [statements[0]], deadline: deadline)
            let records = try results[0].records()
            let total =
                if results.count > 1 {
                    try results[1].singleRow().int(0)
                } else if query.page.offset == 0 {
                    records.count
                } else {
                    try await self.read(statements[1], deadline: deadline).singleRow().int(0)
                }
            return Page(items: records, total: total, request: query.page)
        }
    }
}
