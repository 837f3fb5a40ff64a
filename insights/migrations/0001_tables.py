import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import insights.models.ledger


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_tables'),
        ('accounts', '__first__'),
    ]

    operations = [
        migrations.CreateModel(
            name='BooksCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField(verbose_name='started')),
                ('finished_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='finished')),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='requested by')),
                ('breaks', models.PositiveIntegerField(verbose_name='breaks')),
                ('results', models.JSONField(verbose_name='results')),
            ],
            options={
                'verbose_name': 'check of the books',
                'verbose_name_plural': 'checks of the books',
                'ordering': ('-id',),
                'permissions': (('check_books', 'Can have the books checked'),),
            },
        ),
        migrations.CreateModel(
            name='JournalExport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='journals', to='accounts.period', verbose_name='period')),
                ('closed_at', models.DateTimeField(verbose_name='closed')),
                ('layout', models.CharField(blank=True, max_length=32, verbose_name='layout')),
                ('content', models.BinaryField(verbose_name='content')),
                ('sha256', models.CharField(max_length=64, verbose_name='SHA-256')),
                ('lines', models.PositiveIntegerField(verbose_name='lines')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='created')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='created by')),
            ],
            options={
                'verbose_name': 'exported journal',
                'verbose_name_plural': 'exported journals',
                'ordering': ('-period', 'layout'),
                'permissions': (('export_journal', 'Can export the journal'),),
                'constraints': [models.UniqueConstraint(fields=('period', 'closed_at', 'layout'), name='journal_export_once')],
            },
        ),
        migrations.CreateModel(
            name='LedgerAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('unbilled', 'Earned and not billed yet'), ('receivable', 'Receivable'), ('revenue', 'Revenue'), ('output_tax', 'Output tax'), ('withheld', 'Tax withheld by buyers'), ('bank', 'Bank'), ('balance', 'Balances of projects'), ('refund', 'Refunds'), ('write_off', 'Write-offs'), ('opening', 'Opening balances')], max_length=12, verbose_name='role')),
                ('project', models.ForeignKey(blank=True, help_text='Empty: all projects.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.project', verbose_name='project')),
                ('department', models.ForeignKey(blank=True, help_text='Empty: all departments.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.department', verbose_name='department')),
                ('detail', models.CharField(blank=True, help_text='Of revenue: cpu, gpu, mem, … Of banks: the provider. Empty: all.', max_length=64, verbose_name='resource or provider')),
                ('account', models.CharField(max_length=32, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9][A-Za-z0-9./_-]*\\Z', 'Use letters, digits and . / _ - only, beginning with a letter or digit.')], verbose_name='account')),
                ('cost_centre', models.CharField(blank=True, help_text="Empty: the project's own.", max_length=64, verbose_name='cost centre')),
                ('starts_on', models.DateField(verbose_name='from')),
                ('ends_on', models.DateField(blank=True, help_text='Not included; empty means open end.', null=True, verbose_name='until')),
            ],
            options={
                'verbose_name': 'ledger account',
                'verbose_name_plural': 'ledger accounts',
                'ordering': ('role', 'project', 'department', 'detail', 'starts_on'),
                'constraints': [models.CheckConstraint(condition=models.Q(('role__in', ['unbilled', 'receivable', 'revenue', 'output_tax', 'withheld', 'bank', 'balance', 'refund', 'write_off', 'opening']), models.Q(('account', ''), _negated=True)), name='ledger_account_known'), models.CheckConstraint(condition=models.Q(('ends_on', None), ('ends_on__gt', models.F('starts_on')), _connector='OR'), name='ledger_account_ends_after_start', violation_error_message='It must end after it begins.'), models.CheckConstraint(condition=models.Q(('project', None), ('department', None), _connector='OR'), name='ledger_account_of_one', violation_error_message='Choose a project or a department, not both.'), models.CheckConstraint(condition=models.Q(('detail', ''), ('role__in', ('revenue', 'bank', 'refund')), _connector='OR'), name='ledger_account_detail', violation_error_message='Only revenue, banks and refunds are told apart so.'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(insights.models.ledger.TextKey('role', 'detail'), '&&'), (insights.models.ledger.KeyRange('project'), '&&'), (insights.models.ledger.KeyRange('department'), '&&'), (insights.models.ledger.AccountDays(), '&&')], name='ledger_account_no_overlap', violation_error_message='There is another account for the same at that time.')],
            },
        ),
    ]
